"""The resources that a session at a legacy server is subscribed to: once, however many listen."""

from contextlib import suppress

from ostiary_proxy.mcp.bridge.to_legacy import requested
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.session import Opened, tell, today
from ostiary_proxy.pipeline.said import TIMEOUT, Said
from ostiary_proxy.refused import Refused

__all__ = ["subscribe", "unsubscribe"]


async def subscribe(said: Said, opened: Opened, uri: str) -> bool:
    """Say whether changes of the resource will be told; until `unsubscribe` then."""
    async with opened.subscribing:
        if not opened.uris[uri] and not await _ask(said, opened, "resources/subscribe", uri):
            return False
        opened.uris[uri] += 1
    return True


async def unsubscribe(opened: Opened, uri: str) -> None:
    """Take note that somebody wants to hear of the resource no more."""
    async with opened.subscribing:
        opened.uris[uri] -= 1
        if not opened.uris[uri]:
            with suppress(Refused):
                await _ask(today(opened.user), opened, "resources/unsubscribe", uri)


async def _ask(said: Said, opened: Opened, method: str, uri: str) -> bool:
    asked = requested(method, {"uri": uri}, opened.next_id())
    reading = Reading(opened.session.version, await tell(said, opened, asked, name=uri))
    try:
        answer = await reading.answer(asked.id, seconds=TIMEOUT)
    except OutboundFailed:
        return False
    finally:
        await reading.close()
    return answer is not None and answer.error is None
