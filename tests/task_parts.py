"""Tasks that stand already: known to belong to a person's grant, or to the client in a session."""

from typing import Any

from mcp_parts import ORIGIN, PATH, World
from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.pipeline.handles import Holder
from ostiary_proxy.pipeline.session import open_session, place_of
from ostiary_proxy.pipeline.tasks import Owner

__all__ = ["EXTENDED", "know_task"]

EXTENDED: dict[str, Any] = {
    "io.modelcontextprotocol/clientCapabilities": {
        "extensions": {"io.modelcontextprotocol/tasks": {}},
        "elicitation": {"form": {}, "url": {}},
        "sampling": {},
        "roots": {},
    }
}
"""`_meta` of a 2026-07-28 client that knows tasks and can be asked anything."""
CALL = Subject(kind=Kind.TOOL, method="tools/call", name="a", arguments={})
SAMPLING = Subject(kind=Kind.SERVER, method="sampling/createMessage", name="sampling")


async def know_task(
    w: World, task_id: str, *, session: str | None = None, token: str = "alice", **task: Any
) -> None:
    """Let a task be known: one of the server's, or, with a session, one of the client's there."""
    live, grant = w.live, w.doors.grants[token].grant
    holder = Holder(ring=live.seal, grant=grant, entropy=live.entropy)
    opened = None
    if session is not None:
        place = place_of(live.routes[ORIGIN, PATH].route)
        opened = await open_session(live.seal, live.store, grant, session, w.now[0], place=place)
    subject = CALL if session is None else SAMPLING
    row = Owner(holder=holder, session=opened).row({"taskId": task_id, **task}, subject, w.now[0])
    await live.store.put(row.table, row.key, row.value, expires=row.expires)
