"""Event ids for clients, and what an event belongs to once its id comes back (rules 32 and 33).

A server's own id would be good wherever the server takes it: one without sessions would play one
person's events to another. So ids are sealed for the session that they are handed out in. What the
stream answers waits in the Store: what is played again is judged as the answer to that request.
"""

from dataclasses import dataclass
from typing import Final

from ostiary.crypto.seal import SealBroken
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary.policy.facts import Subject
from ostiary_proxy.mcp.message import Id, Request
from ostiary_proxy.pipeline.effects import PutRow
from ostiary_proxy.pipeline.handles import BadHandle, give_handle, open_handle
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.session import MAX_AGE, Session
from ostiary_proxy.pipeline.subjects import read_subject, written_subject
from ostiary_proxy.refused import Refused

__all__ = ["RESUMABLE", "EventIds", "Resumed", "resume"]

RESUMABLE: Final = "mcp-resumable"
_KEPT: Final = 3600.0
"""Seconds for which the answer to a request can be resumed."""
_LONGEST: Final = 1024
"""Characters of a server's event id; a longer one would not fit into a header when sealed."""
_SEALED: Final = 4096
_PURPOSE: Final = "mcp-event-2"
"""Ids of replicas that wrote them in another form are none here, and ours none there."""


@dataclass(slots=True, kw_only=True)
class EventIds:
    """Makes the ids of one stream.

    `stream` is the decision id of the request that is answered there, empty for the stream that a
    GET opened; `size` its bytes. `place` is where the Store keeps it, once an id was made.
    """

    known: Known
    session: Session
    stream: str = ""
    size: int = 0
    place: str = ""

    def sealed(self, event_id: str, now: float) -> str | None:
        """Return the id for the client; None where the server's could not stand in a header."""
        if len(event_id) > _LONGEST or not (event_id.isascii() and event_id.isprintable()):
            return None
        live, grant = self.known.routed.received.live, self.known.presented.grant
        if self.stream and not self.place:
            whose = f"{grant.person.issuer}\0{grant.person.subject}"
            self.place = live.places.next(live.seal.steady_hash(RESUMABLE, whose), self.size)
        return give_handle(
            live.seal, grant, _PURPOSE, [self.stream, event_id, self.place], now=now,
            entropy=live.entropy, about=self.session.key,
        )  # fmt: skip

    def row(self, request: Request, subject: Subject, now: float) -> PutRow:
        """Return the row that says what the stream answers; it holds arguments, so it is sealed."""
        live = self.known.routed.received.live
        plain = write_json([request.id, *written_subject(subject)])
        value = live.seal.seal(plain, aad=_kept(self.session, self.stream), entropy=live.entropy)
        return PutRow(table=RESUMABLE, key=self.place, value=value, expires=now + _KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Where a stream goes on: after the event that the server calls `event_id`, or anew.

    `stream` and `place` are those of `EventIds`; `request` and its `subject` are None where it
    answers nothing.
    """

    stream: str = ""
    place: str = ""
    event_id: str = ""
    request: Request | None = None
    subject: Subject | None = None


async def resume(known: Known, session: Session, value: str) -> Resumed:
    """Return what the event `value` belongs to; raises Refused alike for every defect."""
    received = known.routed.received
    live, grant = received.live, known.presented.grant
    try:
        handle = open_handle(
            live.seal, grant, _PURPOSE, value, now=received.now, max_age=MAX_AGE, longest=_SEALED,
            about=session.key,
        )  # fmt: skip
        stream, event_id, place = (str(part) for part in handle.value)
        if not stream:
            return Resumed(event_id=event_id)
        row = await live.store.get(RESUMABLE, place)
        if row is None:
            raise _unknown()
        request, subject = _asked(live.seal.open(row.value, aad=_kept(session, stream)))
    except (BadHandle, SealBroken):
        raise _unknown() from None
    return Resumed(stream=stream, place=place, event_id=event_id, request=request, subject=subject)


def _kept(session: Session, stream: str) -> bytes:
    return f"{RESUMABLE}\0{session.key}\0{stream}".encode()


def _asked(plain: bytes) -> tuple[Request, Subject]:
    parts = read_json(plain)
    assert isinstance(parts, list)  # sealed by us, and so are its members
    request_id, *written = parts
    subject = read_subject(written)
    return Request(id=_id(request_id), method=subject.method), subject


def _id(value: Json) -> Id:
    assert isinstance(value, int | str)  # as the envelope ladder saw to
    return value


def _unknown() -> Refused:
    message = "the Last-Event-ID is none of this session's, or too old; send the request again"
    return Refused("InvalidRequest", message=message)
