"""Where a task of a legacy server is: in the session that it was made in, whichever replica asks.

Real servers know a task in that session alone, and a session is nothing but its id.
"""

from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.declared import declared_in
from ostiary_proxy.mcp.bridge.to_legacy import declared
from ostiary_proxy.mcp.message import Message, Object, Request
from ostiary_proxy.mcp.tasks import id_of, seconds
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.older.session import Opened, bare
from ostiary_proxy.pipeline.bridge.older.task_rows import TaskRows
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["Place", "keep_place", "place_of", "say_there"]

_LEAST: Final = 24 * 3600.0
_UNKNOWN: Final[Object] = {"code": -32602, "message": "the server knows this task no more"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The `session` of a task, at the server at `url`.

    Of its `server` the name, of its client what it is `able` to do.
    """

    url: str
    session: Session
    server: Object
    able: Object


async def keep_place(said: Said, request: Request, opened: Opened, task: Object) -> None:
    """Keep where a task is that `request` made; raises StoreUnavailable."""
    session = opened.session
    server = {name: value for name, value in opened.initialized.items() if name == "serverInfo"}
    able = declared_in({"capabilities": dict(declared(request))}).capabilities
    value: list[Json] = [session.upstream, session.version, session.key, server, {**able}]
    lives = max(seconds(task) or _LEAST, _LEAST)
    await TaskRows(said, id_of(task)).put("", value, seconds=lives)


async def place_of(said: Said, task_id: str) -> Place | None:
    """Return where a task is, None where nobody knows; raises StoreUnavailable."""
    value = await TaskRows(said, task_id).get("")
    if value is None:
        return None
    upstream, version, key, server, able = value
    assert isinstance(server, dict)  # sealed by us, and so are they all
    assert isinstance(able, dict)
    session = Session(
        upstream=None if upstream is None else str(upstream),
        version=str(version), issued_at=0.0, key=str(key),
    )  # fmt: skip
    return Place(url=said.upstream.url, session=session, server=server, able=able)


async def say_there(
    said: Said, place: Place, message: Message, *, name: str = "", system: bool = False,
    patience: float | None = None,
) -> Exchange:  # fmt: skip
    """Say `message` in the session of a task; `system` says that it is ours.

    Raises Refused as `say_natively` does, and where the route leads to another server now.
    """
    if not said.leads_to(place.url):
        raise Refused("UpstreamUnavailable", detail="the route leads to another server now")
    there = bare(said, message, place.session)
    timeout = patience or said.timeout
    return await say_natively(replace(there, name=name, system=system, timeout=timeout))
