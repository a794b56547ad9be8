"""Whether a server opens sessions at all, asked by ourselves in the plainest way.

What it refuses to one odd client must not decide how all others are spoken to.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.bridge.to_legacy import requested
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.methods import LEGACY
from ostiary_proxy.pipeline.bridge.newer.speaking import answer_to
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["opens_sessions"]

_PLAIN: Final[Object] = {
    "protocolVersion": LEGACY[-1],
    "capabilities": {},
    "clientInfo": {"name": "ostiary", "version": "0"},
}
_REFUSALS: Final = frozenset((400, 404, 405, 406, 415))
_CODES: Final = frozenset((-32022, -32601))
"""How a server refuses what it does not speak, not who is too many or in a hurry."""


async def opens_sessions(said: Said) -> bool | None:
    """Say whether the server opens a session for a plain client; None where that did not show.

    `said` is the initialize that it refused. What opens is ended at once.
    """
    request = requested("initialize", _PLAIN, said.known.routed.received.id)
    plain = replace(said, body=write_json(request.whole), message=request, system=True)
    try:
        exchange = await say_natively(plain)
        answer = await answer_to(exchange, request.id)
    except Refused:
        return None
    if answer is None or answer.result is None:
        return False if _refuses_the_era(exchange.status, answer) else None
    await _end(plain, exchange.headers.get("mcp-session-id"))
    return True


def _refuses_the_era(status: int, answer: Response | None) -> bool:
    error = answer.error if answer is not None else None
    return status in _REFUSALS or (error is not None and error.get("code") in _CODES)


async def _end(said: Said, upstream: str | None) -> None:
    if upstream is None:
        return
    received = said.known.routed.received
    session = Session(upstream=upstream, version="", issued_at=received.now, key=received.id)
    bare = replace(said, version="", http_method="DELETE", body=b"", message=None, session=session)
    with suppress(Refused):
        await (await say_natively(bare)).close()
