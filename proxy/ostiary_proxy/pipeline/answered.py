"""From upstream's exchange to the answer: JSON whole, streams by the driver, all else as ours."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Message, Request, Response
from ostiary_proxy.mcp.methods import LEGACY, LISTEN, MODERN
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.bearer import Bearer, rejudge
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.bridge.newer.bridged import looks_bridged
from ostiary_proxy.pipeline.carry import Post, carry, found
from ostiary_proxy.pipeline.cleared import Cleared
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.driver import RelayStream
from ostiary_proxy.pipeline.event_ids import EventIds
from ostiary_proxy.pipeline.forward import BODY_TIME, media_type, read_body
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.kept import Recalled
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.places import LARGEST
from ostiary_proxy.pipeline.received import AT_ONCE
from ostiary_proxy.pipeline.relay import Relay
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import LONGEST, MAX_AGE, Session, end, place_of, seal_session
from ostiary_proxy.pipeline.trail import outcome
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers

__all__ = ["EVENT_STREAM", "answer_of", "finish", "session_id", "stream_of"]

_MAX_RESULT: Final = 16 * 1024 * 1024
_MAX_ERROR: Final = 1024 * 1024
JSON: Final = ("content-type", "application/json")
EVENT_STREAM: Final[Headers] = (
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
)


async def answer_of(cleared: Cleared, exchange: Exchange) -> Answer:
    """Return the answer to a forwarded message; raises Refused for what upstream got wrong."""
    decoded = cleared.screened.consented.permitted.decoded
    try:
        if not isinstance(decoded.message, Request):
            return await _taken(decoded, exchange)
        if exchange.status == 200 and media_type(exchange) == "text/event-stream":
            return await _streamed(cleared, decoded, exchange)
        if exchange.status == 200 and media_type(exchange) == "application/json":
            return await _whole(cleared, decoded, exchange)
        return await _other(cleared, decoded.message, exchange)
    except BaseException:
        await exchange.close()
        raise


async def _taken(decoded: Decoded, exchange: Exchange) -> Answer:
    """Return 202 for a notification or response that upstream took (rule 7)."""
    await exchange.close()
    if exchange.status == 404 and decoded.session is not None:
        raise Refused("UnknownSession", detail="upstream: 404")
    if not 200 <= exchange.status < 300:
        raise Refused("UpstreamRejected", detail=str(exchange.status))
    await finish(decoded.known, "ok", {"status": exchange.status})
    return Answer(status=202)


async def _whole(cleared: Cleared, decoded: Decoded, exchange: Exchange) -> Answer:
    body = await read_body(exchange, _MAX_RESULT)
    relay = relay_of(cleared, decoded)
    data = await _relayed(decoded, relay, body)
    headers: Headers = (JSON,)
    if relay.negotiated is not None:
        headers = (JSON, *await _session(decoded, exchange, relay.negotiated, relay.lists))
    facts: dict[str, Json] = {**relay.facts(), "bytes": len(body)}
    if isinstance(exchange, Recalled):
        facts["cached"] = True
    await finish(decoded.known, relay.word, facts)
    return Answer(status=relay.status, headers=headers, body=data)


async def _relayed(decoded: Decoded, relay: Relay, body: bytes) -> bytes:
    """Return what the relay makes of a whole body, once all that comes before has happened."""
    live = decoded.known.routed.received.live
    judge = await _judge_of_answer(decoded.known)
    out = await found(relay.whole(body, live.clock(), judge), live.store)
    post = _post_of(decoded.known, decoded.session)
    for effect in out.before:
        await carry(effect, live, post)
    return out.data


async def _judge_of_answer(known: Known) -> Judge | None:
    """Return the judge of today where an answer was long in coming, None where the grant ended."""
    received = known.routed.received
    now = received.live.clock()
    if now < received.now + AT_ONCE:
        return known.judge
    return await rejudge(received.live.newest(), Bearer.of(known), now)


async def _streamed(cleared: Cleared, decoded: Decoded, exchange: Exchange) -> Answer:
    relay = relay_of(cleared, decoded)
    stream = stream_of(
        decoded.known,
        exchange,
        relay,
        session=decoded.session,
        listening=decoded.subject.method == LISTEN,
        lingers=_lingers(decoded),
    )
    if decoded.subject.method != "initialize":
        return Answer(status=200, headers=EVENT_STREAM, body=stream)
    # The session id stands in the head and holds the version, which comes in the body.
    try:
        async with asyncio.timeout(BODY_TIME):
            body = b"".join([piece async for piece in stream])
    except TimeoutError:
        await stream.abandon()
        raise Refused("UpstreamTimeout", detail="initialize") from None
    headers = EVENT_STREAM
    if relay.negotiated is not None:
        headers = (*headers, *await _session(decoded, exchange, relay.negotiated, relay.lists))
    return Answer(status=200, headers=headers, body=body)


def _lingers(decoded: Decoded) -> bool:
    """Say whether an answer goes on whose client went away (rule 29): a task does so by itself."""
    waiting = decoded.method is not None and decoded.method.name == "tasks/result"
    return decoded.version != MODERN and not waiting


async def _session(
    decoded: Decoded, exchange: Exchange, version: str, lists: tuple[str, ...]
) -> Headers:
    """Return the header that opens the client's session, whether or not upstream keeps one."""
    known = decoded.known
    live = known.routed.received.live
    upstream = session_id(exchange)
    if upstream is not None and not (upstream.isascii() and upstream.isprintable()):
        raise Refused("UpstreamInvalid", detail="a session id that is not visible ASCII")
    value = seal_session(
        live.seal, known.presented.grant, upstream=upstream, version=version,
        place="" if looks_bridged(upstream) else place_of(known.routed.route.route),
        visits=_visits(decoded.message, version), lists=lists, now=live.clock(),
        entropy=live.entropy,
    )  # fmt: skip
    if len(value) > LONGEST:
        raise Refused("UpstreamInvalid", detail="a session id that is too long to be sent back")
    return (("mcp-session-id", value),)


def _visits(initialize: Message, version: str) -> bool:
    """Say whether the client that initializes shows people addresses to visit."""
    params = {} if isinstance(initialize, Response) else initialize.params
    declared = params.get("capabilities")
    if version != LEGACY[-1] or not isinstance(declared, dict):
        return False
    return lacking(ServerRequest.ELICITATION_URL, declared) is None


def session_id(exchange: Exchange) -> str | None:
    """Return the id under which upstream keeps a session."""
    return exchange.headers.get("mcp-session-id")


async def _other(cleared: Cleared, request: Request, exchange: Exchange) -> Answer:
    """Return upstream's error where clients act on it, else one of ours (decision 20)."""
    status, decoded = exchange.status, cleared.screened.consented.permitted.decoded
    if status == 404 and decoded.session is not None and decoded.session.upstream is not None:
        await exchange.close()
        await _forgotten(decoded.known, decoded.session)
        raise Refused("UnknownSession", detail="upstream: 404")
    if 400 <= status < 500 and media_type(exchange) == "application/json":
        error = _error(await read_body(exchange, _MAX_ERROR), request)
        if error is not None:
            relay = relay_of(cleared, decoded)
            data = await _relayed(decoded, relay, error)
            await finish(decoded.known, relay.word, {**relay.facts(), "status": status})
            kept = status if status in (400, 404) else 400
            return Answer(status=kept, headers=(JSON,), body=data)
    await exchange.close()
    if 400 <= status < 500:
        raise Refused("UpstreamRejected", detail=str(status))
    code = "UpstreamUnavailable" if status >= 500 else "UpstreamInvalid"
    raise Refused(code, detail=f"{status} {media_type(exchange)}")


async def _forgotten(known: Known, session: Session) -> None:
    """End a session that upstream does not know any more, which it will say again otherwise."""
    live = known.routed.received.live
    with contextlib.suppress(Refused):
        live.allowance.charge(known.presented.grant.person, 0, MAX_AGE)
        await end(live.store, session)


def _error(body: bytes, request: Request) -> bytes | None:
    """Return a JSON-RPC error under the request's id; servers that read no id invent one."""
    try:
        message = read_message(body)
    except Misread:
        return None
    if not isinstance(message, Response) or message.error is None:
        return None
    return write_json({**message.whole, "id": request.id})


def relay_of(cleared: Cleared, decoded: Decoded) -> Relay:
    """Return the relay of the answer to a request."""
    received = decoded.known.routed.received
    request = decoded.message
    assert isinstance(request, Request)
    asked = Asked(
        decision=received.id,
        version=decoded.version,
        subject=decoded.subject,
        holder=decoded.known.holder,
        learned=received.live.learned,
        keeping=cleared.keeping,
        request=request,
        method=decoded.method,
        modern=decoded.modern,
        session=decoded.session,
        redactions=cleared.screened.consented.permitted.verdict.redactions,
        ids=_ids(decoded),
        round=cleared.screened.round.number,
    )
    return Relay(asked, decoded.known.judge, received.live.new_id)


def _ids(decoded: Decoded) -> EventIds | None:
    """Return the event ids of an answer that can be resumed: one in a session (rule 30)."""
    if decoded.session is None or len(decoded.body) > LARGEST:
        return None
    known = decoded.known
    return EventIds(
        known=known, session=decoded.session, stream=known.routed.received.id,
        size=len(decoded.body),
    )  # fmt: skip


def stream_of(
    known: Known,
    exchange: Exchange,
    relay: Relay,
    *,
    session: Session | None,
    listening: bool,
    lingers: bool,
) -> RelayStream:
    """Return the driven stream of an exchange; raises Refused("TooManyStreams")."""
    received = known.routed.received
    if listening:
        received.live.streams.admit(known.presented.grant.gid)
    return RelayStream(
        live=received.live,
        exchange=exchange,
        relay=relay,
        judge=known.judge,
        bearer=Bearer.of(known, listening=listening),
        decision=received.id,
        post=_post_of(known, session),
        lingers=lingers,
    )


def _post_of(known: Known, session: Session | None) -> Post:
    """Return what posts a response of ours in the session."""

    async def post(body: bytes) -> None:
        if session is None:
            return
        said = Said(
            known=known, version=session.version, body=body, message=read_message(body),
            session=session,
        )  # fmt: skip
        answer = await say(said)
        await answer.close()

    return post


async def finish(known: Known, word: str, facts: Mapping[str, Json]) -> None:
    """Write the outcome of a forwarded message."""
    received = known.routed.received
    record = outcome(received.id, received.live.clock(), word, facts)
    await received.live.audit.write(record)
