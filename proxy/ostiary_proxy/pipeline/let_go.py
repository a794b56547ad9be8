"""Ending the upstream session of an initialize that no client got an answer to.

Nobody could ever end it. It is tried once, aside, and recorded like a DELETE of the client's own.
"""

from dataclasses import replace
from typing import Final

from ostiary.policy.facts import Kind, Subject
from ostiary.policy.verdict import Verdict
from ostiary_proxy.pipeline.answered import finish
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.received import Received, Seen
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused

__all__ = ["let_go"]

_PATIENCE: Final = 5.0
_DELETE: Final = Subject(kind=Kind.HOUSEKEEPING, method="DELETE")


async def let_go(known: Known, verdict: Verdict, upstream: str) -> None:
    """Ask upstream to end the session `upstream`, which an initialize of `known` opened."""
    opened = known.routed.received
    live = opened.live
    own = replace(known, routed=replace(known.routed, received=_own(opened)))
    record = decision(own, _DELETE, verdict, version="", session=None)
    await live.audit.write(replace(record, facts={**record.facts, "during": opened.id}))
    # Its version is not known to be one that we speak, so none is named.
    session = Session(upstream=upstream, version="", issued_at=opened.now, key=opened.id)
    said = Said(known=own, version="", http_method="DELETE", session=session, timeout=_PATIENCE)
    try:
        exchange = await say(said)
    except Refused as refused:
        await finish(own, "error", {"code": refused.code})
        return
    await exchange.close()
    await finish(own, "ok", {"status": exchange.status})


def _own(opened: Received) -> Received:
    """Return the DELETE as if it had come in: with its own id, at its own time."""
    live, seen = opened.live, opened.seen
    return Received(
        request=replace(opened.request, method="DELETE"),
        live=live,
        id=live.new_id(),
        now=live.clock(),
        seen=Seen(route=seen.route, presented=seen.presented),
    )
