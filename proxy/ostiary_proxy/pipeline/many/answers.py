"""Asking several servers at once and making one answer of theirs.

Who does not answer in time is left out and named; the others' part stands.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from ostiary_proxy.mcp.joined.fit import check_page
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.pipeline.many.heard import Heard, hear
from ostiary_proxy.pipeline.many.last import keeping_of, last
from ostiary_proxy.pipeline.many.server import key_of, named, say_at
from ostiary_proxy.pipeline.many.silence import PATIENCE
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["Answers", "ask_all"]

log = structlog.get_logger(__name__)

_MAX_RESULT: Final = 16 * 1024 * 1024
_NOT_FOUND: Final = -32601
_DISCOVERY: Final = 8.0
"""Seconds for `server/discover`: clients take who says nothing for ten to be of the older era."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came back, in the servers' order, and why the others' part is missing.

    A server that does not know the method is in neither: it has nothing of the kind. One whose last
    answer stands in is in both.
    """

    heard: Mapping[str, Heard]
    missing: Mapping[str, Refused]

    @property
    def results(self) -> Mapping[str, Object]:
        """Return the results by server."""
        return {server: heard.response.result or {} for server, heard in self.heard.items()}


async def ask_all(saids: Mapping[str, Said], say: Say) -> Answers:
    """Ask each server what `saids` holds for it; raises the first refusal where none answers."""
    limit = _MAX_RESULT // max(1, len(saids))
    asked = [_hear(said, server, say, limit) for server, said in saids.items()]
    found = dict(zip(saids, await asyncio.gather(*asked), strict=True))
    missing = {server: one for server, one in found.items() if isinstance(one, Refused)}
    for server, refused in missing.items():
        received = saids[server].known.routed.received
        log.warning(
            "a server is missing in a joined answer",
            decision=received.id, route=received.seen.route, server=server, code=refused.code,
            detail=refused.detail,
        )  # fmt: skip
        found[server] = await last(saids[server], server, refused)
    heard = {server: one for server, one in found.items() if isinstance(one, Heard)}
    if missing and not heard and len(missing) == len(found):
        raise next(iter(missing.values()))
    return Answers(heard=heard, missing=missing)


async def _hear(said: Said, server: str, say: Say, limit: int) -> Heard | Refused | None:
    """Return what one server answers; None where it does not know the method."""
    silence = said.known.routed.received.live.upstreams.silence
    keeping = keeping_of(said, server)
    try:
        heard = await silence.hear(key_of(said, server), _ask(said, server, say, limit))
    except StoreUnavailable as error:
        return Refused("StoreUnavailable", detail=str(error))
    except Refused as refused:
        return named(refused, server)
    told = heard.response.error
    if told is None:
        keeping.keep(heard.response.result or {})
        return heard
    if told["code"] == _NOT_FOUND:
        return None
    return named(Refused("UpstreamRejected", detail=str(told["message"])[:200]), server)


async def _ask(said: Said, server: str, say: Say, limit: int) -> Heard:
    assert isinstance(said.message, Request)
    live = said.known.routed.received.live
    seconds = _DISCOVERY if said.message.method == "server/discover" else PATIENCE
    try:
        with live.borrowed():  # the question may outlive the request
            async with asyncio.timeout(seconds):
                exchange = await say_at(said, server, say)
                heard = await hear(exchange, said.message.id, said.version, limit)
                check_page(said.message.method, heard.response)
                return heard
    except TimeoutError:
        live.upstreams.failed(key_of(said, server), "timeout")
        raise Refused("UpstreamTimeout", detail=f"nothing in {seconds:g} s") from None
    except BadResult as error:
        raise Refused("UpstreamInvalid", detail=str(error)) from None
