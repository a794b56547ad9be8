"""The way out: what upstream sends, judged message by message, without I/O.

Bytes in, `Out`s out; each carries what must have happened before its data may be written. The
newest judge decides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.redact import Redaction
from ostiary_proxy.mcp.envelope import Misread
from ostiary_proxy.mcp.message import Id, Message, Object, Request, Response
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.parts import only_message, parts_of
from ostiary_proxy.mcp.results import is_unknown_item
from ostiary_proxy.mcp.sse import Event, EventTooLarge, Splitter, write_event
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.effects import Effect, Out
from ostiary_proxy.pipeline.judge import HIDING, Judge, about, refusal_of
from ostiary_proxy.pipeline.notices import may_differ, voice_of
from ostiary_proxy.pipeline.redacted import redacted, redacted_error, redacted_task
from ostiary_proxy.pipeline.refusal import rpc_error
from ostiary_proxy.pipeline.related import unless_foreign
from ostiary_proxy.pipeline.result import Reader
from ostiary_proxy.pipeline.server_says import By, ServerSays
from ostiary_proxy.pipeline.task_list import own_tasks
from ostiary_proxy.pipeline.trail import cut
from ostiary_proxy.pipeline.unasked import Unasked
from ostiary_proxy.refused import Refused

__all__ = ["Relay"]

_MOST_DROPPED: Final = 10_000
"""Messages on one stream that nobody gets: each is written down, and the log has an end."""


class Relay:
    """Judges one answer.

    `word` says how it ended, `status` is the HTTP status of an answer that came whole, `negotiated`
    the version that an initialize result chose, and `lists` what may be listed there. Once an event
    id left, the stream is `resumable`: where it ends is not where the answer ends.
    """

    def __init__(self, asked: Asked, judge: Judge, new_id: Callable[[], str]) -> None:
        self._asked = asked
        self._judge = judge
        self._server = ServerSays(asked, new_id)
        self._redactions = asked.redactions
        self._splitter = Splitter()
        self._over = False
        self._error: int | None = None
        self._task: str | None = None
        self.answered = False
        self.resumable = False
        self.word = "unknown"
        self.status = 200
        self.negotiated: str | None = None
        self.lists: tuple[str, ...] = ()

    def feed(self, data: bytes, now: float) -> Sequence[Out]:
        """Return what may go to the client after these bytes of an event stream."""
        outs: list[Out] = []
        if self._over:
            return outs
        try:
            events = self._splitter.feed(data)
        except EventTooLarge as error:
            return self.fail(Refused("UpstreamInvalid", detail=str(error)))
        for event in events:
            outs.extend(self._marked(event.plain(), now))
            if self._server.dropped > _MOST_DROPPED:
                detail = f"more than {_MOST_DROPPED} messages that are dropped"
                outs.extend(self.fail(Refused("UpstreamInvalid", detail=detail)))
            if outs and outs[-1].last:
                break
        return outs

    def whole(self, body: bytes, now: float, judge: Judge | None) -> Out:
        """Return the answer that came as one JSON body: the response asked for, or an error.

        Another judge than that of the question is heard first, as in `update`.
        """
        refused = None if judge is self._judge else self._judge_by(judge, now)
        if refused is not None:
            return self._fail(refused, word="cut")
        try:
            message, body = only_message(body, self._asked.version)
        except Misread as misread:
            return self._fail(Refused("UpstreamInvalid", detail=str(misread)))
        if not isinstance(message, Response) or not self._is_asked(message.id):
            return self._fail(Refused("UpstreamInvalid", detail="not the answer to what was asked"))
        return self._response(message, body, now).then(lambda out: replace(out, last=True))

    @property
    def voice(self) -> str:
        """Return the name under which the stream tells what is our own, empty where it doesn't."""
        return voice_of(self._asked, self._server.heard)

    def update(
        self, judge: Judge | None, now: float, *, since: float, tells: bool = False
    ) -> Sequence[Out]:
        """Judge the original request again; a denial, or no judge at all, cuts (policy.md 14).

        It was judged at `since` before. A stream that `tells` says where lists may have changed.
        """
        if self._over:
            return ()
        before, refused = self._judge, self._judge_by(judge, now)
        if refused is not None:
            return self.fail(refused, word="cut")
        if not tells or not may_differ(before, self._judge, since, now):
            return ()
        return self._server.changed(now)

    def _judge_by(self, judge: Judge | None, now: float) -> Refused | None:
        """Let `judge` decide from now on; return why nothing may be said any more."""
        if judge is None:
            return Refused("InvalidToken", detail="the grant ended")
        self._judge = judge
        verdict = judge.verdict(self._asked.subject, now)
        if not verdict.allowed:
            return refusal_of(judge, self._asked.subject, verdict, now)
        self._redactions = verdict.redactions
        return None

    def close(self, broken: Refused | None = None) -> Sequence[Out]:
        """Take note that upstream's stream ended, or broke off; what gets no answer gets an error.

        Not so where the client can resume: an error would be the answer.
        """
        if self.resumable or (broken is None and (self.answered or self._asked.request is None)):
            self._end("ok" if broken is None else "error")
            return ()
        return self.fail(broken or Refused("UpstreamUnavailable", detail="ended before the answer"))

    def leave(self) -> Sequence[Out]:
        """End the stream before its end: its client may open another one or resume.

        Nothing is said but the result of a listen request.
        """
        if self._over:
            return ()
        self._end("cut")
        request = self._asked.request
        if request is None or self.answered or not self._server.heard.listens:
            return (Out(last=True),)
        self.answered = True
        text = write_json({"jsonrpc": "2.0", "id": request.id, "result": self._server.heard.end()})
        return (Out(data=write_event(Event(data=text.decode(), type="message")), last=True),)

    def fail(self, refused: Refused, *, word: str = "error") -> Sequence[Out]:
        """End the stream for a reason of ours: an error for what is unanswered, then the end."""
        if self._over:
            return ()
        out = self._fail(refused, word=word)
        data = write_event(Event(data=out.data.decode(), type="message")) if out.data else b""
        return (replace(out, data=data),)

    def facts(self) -> dict[str, Json]:
        """Return what the outcome record says of the way back."""
        facts: dict[str, Json] = {"answered": self.answered}
        if self._server.passed:
            facts["notifications"] = dict(self._server.passed)
        if self._task is not None:
            facts["task"] = cut(self._task)
        if self._error is not None:
            facts["error"] = self._error
        return facts

    # -- one event ----------------------------------------------------------------------------

    def _marked(self, event: Event, now: float) -> Sequence[Out]:
        """Read an event under an id of ours, or under none, in place of the server's."""
        if not event.id:
            return self._event(event, now)
        ids, request = self._asked.ids, self._asked.request
        own = None if ids is None else ids.sealed(event.id, now)
        outs = self._event(replace(event, id=own), now)
        if ids is None or own is None or self.resumable:
            return outs
        self.resumable = True
        if request is None:
            return outs
        return (Out(before=(ids.row(request, self._asked.subject, now),)), *outs)

    def _event(self, event: Event, now: float) -> Sequence[Out]:
        if not event.data:
            return (Out(data=write_event(event)),)
        try:
            parts = parts_of(event, self._asked.version)
        except Misread as misread:
            if self._asked.request is not None and not self.answered:
                return self.fail(Refused("UpstreamInvalid", detail=str(misread)))
            return (self._server.drop(event, f"no message: {misread}", {}, now),)
        return [out for part, message in parts for out in self._message(part, message, now)]

    def _message(self, event: Event, message: Message, now: float) -> Sequence[Out]:
        if isinstance(message, Response):
            return self._event_response(event, message, now)

        def said(more: tuple[Redaction, ...]) -> Out:
            by = self._by(now, more)
            if isinstance(message, Request):
                return self._server.asks(event, message, by)
            return self._server.tells(event, message, by)

        def foreign(why: str) -> Out:
            return self._server.foreign(event, message, why, now)

        return (unless_foreign(message, self._asked, self._judge, now, then=said, foreign=foreign),)

    def _by(self, now: float, more: tuple[Redaction, ...] = ()) -> By:
        return By(judge=self._judge, redactions=(*self._redactions, *more), now=now)

    def _event_response(self, event: Event, message: Response, now: float) -> Sequence[Out]:
        if self.answered or not self._is_asked(message.id):
            return (self._server.drop(event, "an answer to nothing that was asked here", {}, now),)
        raw = (event.data or "").encode()

        def sent(out: Out) -> Out:
            shown = event if out.data is raw else replace(event, data=out.data.decode())
            return replace(out, data=write_event(shown))

        return (self._response(message, raw, now).then(sent),)

    def _is_asked(self, response_id: Id | None) -> bool:
        """Compare strictly: 1 and "1" are two ids."""
        request = self._asked.request
        return (
            request is not None
            and type(response_id) is type(request.id)
            and response_id == request.id
        )

    # -- the answer ---------------------------------------------------------------------------

    def _response(self, message: Response, raw: bytes, now: float) -> Out:
        """Return the answer's bytes, the very same where nothing had to change."""
        self.answered = True
        return unless_foreign(
            message, self._asked, self._judge, now,
            then=lambda _: self._judged(message, raw, now),
            foreign=lambda why: self._refused(Refused("UpstreamInvalid", detail=why), message),
        )  # fmt: skip

    def _judged(self, message: Response, raw: bytes, now: float) -> Out:
        asked = self._asked
        try:
            if self._is_unknown(message):
                raise Refused("Hidden", detail="upstream: unknown", data=about(asked.subject))
            if message.error is not None:
                return self._error_answer(message, message.error, raw, now)
            out = self._read_result(message, raw, now)
        except Unasked as refused:
            why = refused.detail
            record = self._server.record(passed=False, why=why, subject=refused.facts, now=now)
            return replace(self._refused(refused, message), before=(record,))
        except Refused as refused:
            return self._refused(refused, message)
        self._end("ok", over=False)
        return out

    def _refused(self, refused: Refused, message: Response) -> Out:
        if refused.code == "MissingClientCapability":
            self.status = refused.how.status  # clients look for it there (rule 23)
        self._error = refused.how.rpc
        self._end("refused", over=False)
        return Out(data=rpc_error(refused, self._asked.decision, message.id))

    def _error_answer(self, message: Response, error: Object, raw: bytes, now: float) -> Out:
        """Return upstream's error; what is redacted in results is redacted in errors too."""
        before = self._server.links(error, self._by(now))
        self._error = _code(error)
        self._end("error", over=False)
        changed = redacted_error(error, self._redactions)
        data = raw if changed is error else write_json({**message.whole, "error": changed})
        return Out(data=data, before=before)

    def _is_unknown(self, message: Response) -> bool:
        subject = self._asked.subject
        return subject.kind in HIDING and is_unknown_item(
            message.error, message.result, subject.name
        )

    def _read_result(self, message: Response, raw: bytes, now: float) -> Out:
        result, method = message.result or {}, self._asked.method
        if method is not None and method.name == "tasks/list":
            return own_tasks(message, self._asked, self._judge, now)
        reader = Reader(asked=self._asked, judge=self._judge, now=now)
        read = reader.read(result)
        self.negotiated, self.lists = reader.negotiated, reader.lists
        self._task = reader.task_id
        of_task = method is not None and method.field == TASK_ID
        changed = (redacted_task if of_task else redacted)(read, self._redactions)
        data = raw if changed is result else write_json({**message.whole, "result": changed})
        return Out(
            data=data,
            before=(
                *self._asked_for(reader, now),
                *(() if reader.task is None else (reader.task,)),
            ),
        )

    def _asked_for(self, reader: Reader, now: float) -> Iterator[Effect]:
        """Yield the records of what the server asks for inside the result."""
        for facts in reader.asked_for:
            yield self._server.record(passed=True, why="input request", subject=facts, now=now)

    def _fail(self, refused: Refused, *, word: str = "error") -> Out:
        self._error = refused.how.rpc
        self._end(word)
        request = self._asked.request
        if request is None or self.answered:
            return Out(last=True)
        self.answered = True
        return Out(data=rpc_error(refused, self._asked.decision, request.id), last=True)

    def _end(self, word: str, *, over: bool = True) -> None:
        if self.word in ("unknown", "ok"):
            self.word = word
        self._over = self._over or over


def _code(error: Object) -> int | None:
    code = error.get("code")
    return code if isinstance(code, int) else None
