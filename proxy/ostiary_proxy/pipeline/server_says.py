"""What a server says by itself: requests to the client, and notifications, each judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind, Subject
from ostiary.policy.redact import Redaction
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.errors import error_body
from ostiary_proxy.mcp.inputs import subject_of_input
from ostiary_proxy.mcp.message import Notification, Object, Request
from ostiary_proxy.mcp.methods import MODERN, TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.server_methods import asks_of_task, server_notification, server_request
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.effects import (
    AnswerUpstream,
    DropRow,
    Effect,
    Lookup,
    Out,
    PutRow,
    Rows,
    WriteRecord,
)
from ostiary_proxy.pipeline.heard import Heard
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.notices import WHY, notices_of
from ostiary_proxy.pipeline.redacted import redacted, redacted_task
from ostiary_proxy.pipeline.result import Reader
from ostiary_proxy.pipeline.session import MAX_AGE, PENDING, Session, pending_key, waiting_row
from ostiary_proxy.pipeline.share import Share
from ostiary_proxy.pipeline.tasks import TASKS, Owner
from ostiary_proxy.pipeline.trail import server_message
from ostiary_proxy.pipeline.unasked import asked_facts, check_allowed
from ostiary_proxy.refused import Refused

__all__ = ["By", "ServerSays"]

_LINKS: Final = -32042
"""The code of errors that ask for a visit to some URL (URLElicitationRequired)."""
_MOST: Final = 64
"""Links of one error that may be complete later."""
_VISITS: Final = "mcp-visits"
_TEXTS: Final = ("notifications/cancelled", "notifications/message", "notifications/progress")
"""Notifications in which a server says something to people and models."""
_PATIENCE: Final = 3600.0
"""Seconds that a server's request may wait for its answer."""
_TOO_MANY: Final = "more questions than a server may ask in a minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """What a message is judged by at this moment."""

    judge: Judge
    redactions: tuple[Redaction, ...]
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Where the Store keeps what a notification names in `params`, by `field`."""

    table: str
    field: str


class ServerSays:
    """Judges what a server says by itself in one exchange.

    `passed` counts its notifications by method, `dropped` what the client did not get.
    """

    def __init__(self, asked: Asked, new_id: Callable[[], str]) -> None:
        self._asked = asked
        self._new_id = new_id
        self._share = Share()
        self.heard = Heard(asked)
        self.passed: dict[str, int] = {}
        self.dropped = 0

    def asks(self, event: Event, message: Request, by: By) -> Out:
        """Return a request for the client with what has to happen before, or what refuses it."""
        asked = self._asked
        facts: dict[str, Json] = {"method": message.method[:256], "rpc_id": message.id}
        if asked.version == MODERN or asked.session is None:
            return self.drop(event, "requests are not part of this stream", facts, by.now)
        subject = server_request(asked.version, message.method, message.params)
        if subject is None:
            answer = error_body(message.id, -32601, "Method not found")
            return self.drop(event, "unknown request", facts, by.now, answer)
        if not asks_of_task(message.method):
            return self._asked_of(event, message, subject, by)
        owner = Owner(holder=asked.holder, session=asked.session)

        def then(found: Subject | None) -> Out:
            if found is None:
                answer = error_body(message.id, -32602, "no such task")
                return self.drop(event, "not a task of this session", facts, by.now, answer)
            return self._asked_of(event, message, found, by)

        return _of_task(message, owner, by.now, then)

    def foreign(self, event: Event, message: Request | Notification, why: str, now: float) -> Out:
        """Return what refuses a message under a task that is not the caller's."""
        facts: dict[str, Json] = {"method": message.method[:256]}
        if not isinstance(message, Request):
            return self.drop(event, why, facts, now)
        answer = error_body(message.id, -32602, "no such task")
        return self.drop(event, why, {**facts, "rpc_id": message.id}, now, answer)

    def _asked_of(self, event: Event, message: Request, subject: Subject, by: By) -> Out:
        """Return a request that waits for its answer, where policy lets the server ask."""
        session = self._asked.session
        assert session is not None  # without one there are no requests
        verdict = by.judge.verdict(subject, by.now)
        facts = {**asked_facts(subject, verdict), "method": message.method, "rpc_id": message.id}
        if not verdict.allowed:
            refused = Refused("Denied")
            answer = error_body(message.id, refused.how.rpc, refused.message)
            return self.drop(event, f"policy: {verdict.reason}", facts, by.now, answer)
        if not self._share.takes(by.now):
            refused = Refused("RateLimited")
            answer = error_body(message.id, refused.how.rpc, refused.message)
            return self.drop(event, _TOO_MANY, facts, by.now, answer)
        waiting = PutRow(
            table=PENDING,
            key=pending_key(session, message.id),
            value=waiting_row(subject),
            expires=by.now + _PATIENCE,
            whose=self._asked.holder.grant.person,
        )
        record = self.record(passed=True, why="policy", subject=facts, now=by.now)
        shown = self._visits(session, [message.params], by.now)
        params = redacted(message.params, (*by.redactions, *verdict.redactions))
        return Out(data=_with_params(event, message, params), before=(record, waiting, *shown))

    def links(self, error: Object, by: By) -> tuple[Effect, ...]:
        """Return what has to happen before an error may show its links; raises Refused.

        They are what an elicitation by URL would show (2025-11-25).
        """
        if error.get("code") != _LINKS:
            return ()
        if self._asked.version == MODERN:
            raise Refused("UpstreamInvalid", detail=f"{_LINKS} is not part of this revision")
        subject = subject_of_input(ServerRequest.ELICITATION_URL)
        facts = check_allowed(subject, by.judge.verdict(subject, by.now))
        record = self.record(passed=True, why="links in an error", subject=facts, now=by.now)
        data = error.get("data")
        links = data.get("elicitations") if isinstance(data, dict) else None
        if self._asked.session is None or not isinstance(links, list):
            return (record,)
        return (record, *self._visits(self._asked.session, links[:_MOST], by.now))

    def _visits(
        self, session: Session, links: Sequence[Json | Object], now: float
    ) -> Iterator[PutRow]:
        """Yield the rows by which the server may say that a visit is complete."""
        whose = self._asked.holder.grant.person
        for link in links:
            found = link.get("elicitationId") if isinstance(link, Mapping) else None
            if isinstance(found, str):
                key = pending_key(session, found)
                yield PutRow(table=_VISITS, key=key, value=b"", expires=now + MAX_AGE, whose=whose)

    def tells(self, event: Event, message: Notification, by: By) -> Out:
        """Return a notification for the client, or nothing for it."""
        self._asked.keeping.told(message.method)
        facts: dict[str, Json] = {"method": message.method[:256]}
        told = server_notification(self._asked.version, message.method)
        if told is None:
            return self.drop(event, "unknown notification", facts, by.now)
        of_task = told.field == TASK_ID
        if told.field and not of_task and not self._readable(message.params.get(told.field), by):
            return self.drop(event, "not readable", facts, by.now)
        if self._asked.version == MODERN and not self.heard.admits(message):
            return self.drop(event, "not asked for on this stream", facts, by.now)
        if of_task:
            return _of_task(
                message, Owner(holder=self._asked.holder), by.now,
                lambda subject: self._told_of_task(event, message, subject, by),
            )  # fmt: skip
        kept = _KEPT.get(message.method) if self._asked.version != MODERN else None
        if kept is None:
            return self._told(event, message, by)
        return self._of_own(event, message, kept, by)

    def _of_own(self, event: Event, message: Notification, kept: "_Kept", by: By) -> Out:
        """Tell it only of what the server began in this session, and let that be over."""
        value, session = message.params.get(kept.field), self._asked.session
        facts: dict[str, Json] = {"method": message.method}
        if session is None or isinstance(value, bool) or not isinstance(value, int | str):
            return self.drop(event, "names nothing of its own", facts, by.now)
        key = pending_key(session, value)

        def then(rows: Rows) -> Out:
            if rows == (None,):
                return self.drop(event, "names nothing of its own", facts, by.now)
            over = DropRow(table=kept.table, key=key)
            return replace(self._told(event, message, by), before=(over,))

        return Out(lookup=Lookup(table=kept.table, keys=(key,), then=then))

    def _told_of_task(
        self, event: Event, message: Notification, subject: Subject | None, by: By
    ) -> Out:
        """Tell of a task like the call that created it would be answered now."""
        facts: dict[str, Json] = {"method": message.method}
        verdict = by.judge.verdict(subject, by.now) if subject is not None else None
        if verdict is None or not verdict.allowed:
            return self.drop(event, "not a task of this grant", facts, by.now)
        reader = Reader(asked=self._asked, judge=by.judge, now=by.now)
        try:
            task = reader.read_task(message.params)
        except (Refused, BadResult) as error:
            return self.drop(event, str(error), facts, by.now)
        if reader.asked_for and not self._share.takes(by.now):
            return self.drop(event, _TOO_MANY, facts, by.now)
        self.passed[message.method] = self.passed.get(message.method, 0) + 1
        before = [
            self.record(passed=True, why="input request", subject=asked, now=by.now)
            for asked in reader.asked_for
        ]
        params = redacted_task(task, verdict.redactions)
        return Out(data=_with_params(event, message, params), before=tuple(before))

    def _told(self, event: Event, message: Notification, by: By) -> Out:
        self.passed[message.method] = self.passed.get(message.method, 0) + 1
        params = self.heard.told(message)
        if message.method in _TEXTS:
            params = redacted(params, by.redactions)
        return Out(data=_with_params(event, message, params))

    def changed(self, now: float) -> Sequence[Out]:
        """Return notices of our own: what may be listed is not what it was."""
        outs = []
        for method, data in notices_of(self._asked, self.heard):
            self.passed[method] = self.passed.get(method, 0) + 1
            facts: dict[str, Json] = {"method": method, "by": "gateway"}
            record = self.record(passed=True, why=WHY, subject=facts, now=now)
            outs.append(Out(data=data, before=(record,)))
        return outs

    def _readable(self, uri: Json, by: By) -> bool:
        if not isinstance(uri, str):
            return False
        subject = Subject(kind=Kind.RESOURCE, method="resources/read", name=uri)
        return by.judge.verdict(subject, by.now).allowed

    def drop(
        self,
        event: Event,
        why: str,
        facts: dict[str, Json],
        now: float,
        answer: bytes | None = None,
    ) -> Out:
        """Keep a message from the client; its event id still passes, or resuming would go wrong."""
        self.dropped += 1
        before: tuple[Effect, ...] = (self.record(passed=False, why=why, subject=facts, now=now),)
        if answer is not None:
            before = (*before, AnswerUpstream(body=answer))
        return Out(data=write_event(event.silent()), before=before)

    def record(
        self, *, passed: bool, why: str, subject: dict[str, Json], now: float
    ) -> WriteRecord:
        """Return the record of a message of the server's own."""
        record = server_message(
            self._new_id(),
            now,
            parent=self._asked.decision,
            passed=passed,
            why=why,
            subject=subject,
        )
        return WriteRecord(record=record)


def _of_task(
    message: Request | Notification, owner: Owner, now: float, then: Callable[[Subject | None], Out]
) -> Out:
    """Return what `then` makes of what created the task that a message names."""
    task_id = message.params.get(TASK_ID)
    if not isinstance(task_id, str):
        return then(None)
    return Out(
        lookup=Lookup(
            table=TASKS,
            keys=(owner.key(task_id),),
            then=lambda rows: then(owner.subject(task_id, rows[0], now)),
        )
    )


def _with_params(event: Event, message: Request | Notification, params: Object) -> bytes:
    """Return the event with these params, the very same where nothing had to change."""
    if params is message.params:
        return write_event(event)
    text = write_json({**message.whole, "params": params}).decode()
    return write_event(replace(event, data=text))


_KEPT: Final[Mapping[str, _Kept]] = {
    "notifications/cancelled": _Kept(table=PENDING, field="requestId"),
    "notifications/elicitation/complete": _Kept(table=_VISITS, field="elicitationId"),
}
