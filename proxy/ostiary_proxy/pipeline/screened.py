"""Step 7: transforms, and Deny rules once more on what they made (decision 22).

What nothing changed goes on as the very bytes that came; what a transform changed, as our own
serialisation.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.redact import Redaction, redact_answer, redact_arguments
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Message, Object, Response
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.pipeline.connecting import resumed
from ostiary_proxy.pipeline.consented import Consented
from ostiary_proxy.pipeline.cursors import take_cursor
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.rounds import Round, take_round

__all__ = ["Screened", "screen"]

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_TRACE: Final = frozenset(("traceparent", "tracestate", "baggage"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A message in the form in which it goes on: `body` are the bytes of `message`.

    `round` says which round of its call it is.
    """

    consented: Consented
    message: Message
    body: bytes
    round: Round


def screen(consented: Consented) -> Screened:
    """Return the message as it goes on.

    Raises Refused where policy denies the changed one, or an opaque text in it is not the caller's.
    """
    decoded = consented.permitted.decoded
    message = decoded.message
    if isinstance(message, Response):
        return _answered(consented, message)
    known = decoded.known
    params = resumed(decoded, message.params)
    params = take_cursor(params, message.method, known.holder, known.routed.received.now)
    params, round_ = take_round(decoded, params, consented.permitted.verdict.redactions)
    params = _redacted(consented, params)
    params = _without_bad_trace(_listened(consented, params))
    body = decoded.body
    if params is not message.params:
        message = replace(message, params=params, whole={**message.whole, "params": dict(params)})
        body = write_json(message.whole)
    return Screened(consented=consented, message=message, body=body, round=round_)


def _answered(consented: Consented, response: Response) -> Screened:
    """Return the client's answer to a server's request, errors redacted as results are."""
    permitted = consented.permitted
    member = "result" if response.error is None else "error"
    before = response.whole[member]
    after = redact_answer(before, permitted.verdict.redactions)
    message, body = permitted.decoded.message, permitted.decoded.body
    if after is not before:
        body = write_json({**response.whole, member: after})
        message = read_message(body)
    return Screened(consented=consented, message=message, body=body, round=Round())


def _redacted(consented: Consented, params: Object) -> Object:
    permitted = consented.permitted
    if not permitted.verdict.redactions:
        return params
    if permitted.decoded.subject.method == "completion/complete":
        return _completing(params, permitted.verdict.redactions)
    if "arguments" not in params:
        return params
    before = params["arguments"]
    after = redact_arguments(before, permitted.verdict.redactions)
    if after is before or not isinstance(after, dict):
        return params
    known = permitted.decoded.known
    received = known.routed.received
    subject = replace(permitted.decoded.subject, arguments=after)
    verdict = known.judge.verdict(subject, received.now)
    if not verdict.allowed:
        received.seen.verdict = verdict
        raise refusal_of(known.judge, subject, verdict, received.now)
    return {**params, "arguments": after}


def _completing(params: Object, redactions: tuple[Redaction, ...]) -> Object:
    """Redact what is typed, and what was chosen before, as the arguments that they become."""
    argument, context = params.get("argument"), params.get("context")
    changed = {**params}
    if isinstance(argument, dict):
        typed = redact_arguments({str(argument.get("name")): argument.get("value")}, redactions)
        assert isinstance(typed, dict)  # as it was
        changed["argument"] = {**argument, "value": next(iter(typed.values()))}
    if isinstance(context, dict) and "arguments" in context:
        chosen = redact_arguments(context["arguments"], redactions)
        changed["context"] = {**context, "arguments": chosen}
    return params if changed == params else changed


def _listened(consented: Consented, params: Object) -> Object:
    """Leave out of a listen request what may not be read."""
    wanted = params.get("notifications")
    if consented.permitted.decoded.subject.method != LISTEN or not isinstance(wanted, dict):
        return params
    kept: dict[str, Json] = {**wanted}
    if "taskIds" in kept:
        kept["taskIds"] = list(consented.permitted.tasks)
    if "resourceSubscriptions" in kept:
        kept["resourceSubscriptions"] = list(consented.permitted.uris)
    return params if kept == wanted else {**params, "notifications": kept}


def _without_bad_trace(params: Object) -> Object:
    """Drop trace context that is not in the W3C form: it would end in somebody's logs (rule 49)."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or _TRACE.isdisjoint(meta):
        return params
    parent = meta.get("traceparent")
    good = isinstance(parent, str) and _TRACEPARENT.fullmatch(parent) is not None
    if good and all(isinstance(meta.get(name, ""), str) for name in _TRACE):
        return params
    return {**params, "_meta": {name: value for name, value in meta.items() if name not in _TRACE}}
