"""Telling a client that what it may list changed where policy, not the server, changed it.

Only where it was told that such notices come: in `initialize`, or by what its listen request asks.
"""

from collections.abc import Iterator
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.eras import META_SUBSCRIPTION
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.heard import Heard
from ostiary_proxy.pipeline.judge import Judge

__all__ = ["WHY", "may_differ", "notices_of", "voice_of"]

WHY: Final = "policy or identity changed what may be listed"


def may_differ(before: Judge, after: Judge, since: float, now: float) -> bool:
    """Say whether lists may show another set now than at `since`; never so for equal judges."""
    return (
        before.policies.decides != after.policies.decides
        or before.caller != after.caller
        or before.route != after.route
        or after.policies.turned(since, now)
    )


def voice_of(asked: Asked, heard: Heard) -> str:
    """Return the name under which a stream tells; empty where it tells nothing.

    Of several streams with one name a single one tells (rule 34).
    """
    if heard.listens:
        return asked.decision
    return asked.session.key if asked.request is None and asked.session is not None else ""


def notices_of(asked: Asked, heard: Heard) -> Iterator[tuple[str, bytes]]:
    """Yield each notice, its method and its bytes, that the stream's client waits for."""
    session = asked.session
    for kind in heard.lists if heard.listens or session is None else session.lists:
        method = f"notifications/{kind}/list_changed"
        notice: dict[str, Json] = {"jsonrpc": "2.0", "method": method}
        if heard.listens and asked.request is not None:
            notice["params"] = {"_meta": {META_SUBSCRIPTION: asked.request.id}}
        text = write_json(notice).decode()
        yield method, write_event(Event(data=text, type="message"))
