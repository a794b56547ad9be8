"""Step 4: the one message in the body, of one revision, in its session if the revision has any."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.mcp.envelope import MAX_BODY, Misread, read_message
from ostiary_proxy.mcp.eras import (
    Modern,
    check_modern,
    check_version_header,
    is_modern,
    wanted_version,
)
from ostiary_proxy.mcp.message import Message, Notification, Request, Response
from ostiary_proxy.mcp.methods import (
    LEGACY,
    MODERN,
    BadParams,
    Method,
    client_notifications,
    client_requests,
    subject_of,
)
from ostiary_proxy.mcp.parameters import check_parameters
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.received import MIRRORING, check_headers
from ostiary_proxy.pipeline.session import Session, open_session, place_of
from ostiary_proxy.refused import Refused

__all__ = ["Decoded", "body_of", "decode", "session_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A message that was read without doubt.

    `body` is what was received. `version` is the revision that decides; for initialize the newest
    legacy one, until upstream has chosen. `method` is None for a response, whose subject is the
    request it answers.
    """

    known: Known
    body: bytes
    message: Message
    version: str
    subject: Subject
    method: Method | None
    modern: Modern | None = None
    session: Session | None = None


async def body_of(known: Known) -> bytes:
    """Return the bytes of the body; raises Refused."""
    request = known.routed.received.request
    _check_media_type(request.header("content-type"))
    if (request.header("content-encoding") or "identity").lower() != "identity":
        raise Refused("UnsupportedMediaType")
    return await request.read(MAX_BODY)


async def decode(known: Known, body: bytes) -> Decoded:
    """Return the message in the body; raises Refused for what could be read in two ways."""
    received = known.routed.received
    message = _read(known, body)
    check_headers(received.request, MIRRORING)
    if is_modern(received.request.header("mcp-protocol-version"), message):
        received.seen.modern = True
        modern = check_modern(message, received.request.headers)
        method, subject = _known_method(message, MODERN)
        _check_parameters(known, subject)
        return Decoded(
            known=known, body=body, message=message, version=MODERN, subject=subject,
            method=method, modern=modern,
        )  # fmt: skip
    return await _legacy(known, body, message)


def _check_media_type(value: str | None) -> None:
    """Refuse what a browser may send across sites without a preflight (pitfall 20)."""
    media, _, parameters = (value or "").lower().partition(";")
    if media.strip() != "application/json" or parameters.replace(" ", "") not in _CHARSETS:
        raise Refused("UnsupportedMediaType")


def _read(known: Known, body: bytes) -> Message:
    seen = known.routed.received.seen
    try:
        message = read_message(body)
    except Misread as misread:
        seen.request_id = misread.id
        raise Refused(misread.code, detail=str(misread)) from None
    seen.notification = not isinstance(message, Request)
    if isinstance(message, Request):
        seen.request_id = message.id
    if not isinstance(message, Response):
        seen.method = message.method
    return message


def _check_parameters(known: Known, subject: Subject) -> None:
    """Compare Mcp-Param-* with the arguments, where a list told which headers there are (15)."""
    received = known.routed.received
    marked = received.live.learned.of(known.presented.grant.gid, subject)
    if marked and isinstance(subject.arguments, Mapping):
        check_parameters(marked, subject.arguments, dict(received.request.headers))


async def _legacy(known: Known, body: bytes, message: Message) -> Decoded:
    if isinstance(message, Request) and message.method == "initialize":
        wanted_version(message.params)
        method, subject = _known_method(message, LEGACY[-1])
        return Decoded(
            known=known, body=body, message=message, version=LEGACY[-1], subject=subject,
            method=method,
        )  # fmt: skip
    session = await session_of(known)
    method, subject = _known_method(message, session.version)
    return Decoded(
        known=known, body=body, message=message, version=session.version, subject=subject,
        method=method, session=session,
    )  # fmt: skip


async def session_of(known: Known) -> Session:
    """Return the session that the request belongs to; raises Refused."""
    received = known.routed.received
    request, live = received.request, received.live
    check_headers(request, MIRRORING)
    value = request.header("mcp-session-id")
    if value is None:
        raise Refused("SessionRequired")
    grant, place = known.presented.grant, place_of(known.routed.route.route)
    session = await open_session(live.seal, live.store, grant, value, received.now, place=place)
    check_version_header(request.header("mcp-protocol-version"), session.version)
    return session


def _known_method(message: Message, version: str) -> tuple[Method | None, Subject]:
    if isinstance(message, Response):
        return None, Subject(kind=Kind.HOUSEKEEPING, method="response")
    notified = isinstance(message, Notification)
    table = client_notifications(version) if notified else client_requests(version)
    method = table.get(message.method)
    if method is None:
        raise Refused("MethodNotFound")
    try:
        return method, subject_of(method, message.params)
    except BadParams as error:
        raise Refused("InvalidParams", message=str(error)) from None


_CHARSETS: Final = frozenset(("", "charset=utf-8", 'charset="utf-8"'))
