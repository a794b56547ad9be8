"""Rounds of one call in 2026-07-28: the server asks for input, the client calls again with it.

`requestState` leaves as a handle that is good for this very call. It holds the server's own state
and what was asked, so that the next round answers that and nothing else (rule 43).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary.decode.json_text import canonical_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Subject
from ostiary.policy.redact import Redaction, redact_answer
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.inputs import fits, kind_of, subject_of_input
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.results import MOST_ASKED, BadResult
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.handles import BadHandle, Holder
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.refused import Refused

__all__ = ["FIELDS", "LONGEST", "MAX_AGE", "Round", "about", "give_state", "take_round"]

MAX_AGE: Final = 3600.0
"""Seconds that a client has for its answers."""
LONGEST: Final = 1024 * 1024
"""Characters of a sealed state: far from what a request may have in all."""
FIELDS: Final = ("requestState", "inputResponses")
_PURPOSE: Final = "mcp-request-state"
_UPDATE: Final = "tasks/update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Which round of its call a request is, from 0.

    `key` names the state that it came with in the Store, empty where it came without. `answers`
    are the kinds of what it answers.
    """

    number: int = 0
    key: str = ""
    answers: tuple[ServerRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a state of ours holds: `asked` are the kinds of requests by the server's names.

    Without `key` there is none.
    """

    own: Json = None
    asked: Mapping[str, ServerRequest] = field(default_factory=dict)
    number: int = 0
    key: str = ""


def give_state(
    result: Object,
    asked: Mapping[str, ServerRequest],
    subject: Subject,
    *,
    number: int,
    holder: Holder,
    now: float,
) -> Object:
    """Return an `input_required` result with a state of ours, whether or not it had one.

    `number` is that of the round which the result ends. Raises BadResult.
    """
    own = result.get("requestState")
    if own is not None and not isinstance(own, str):
        raise BadResult("requestState must be a string")
    value: list[Json] = [own, {name: kind.value for name, kind in asked.items()}, number + 1]
    state = holder.give(_PURPOSE, value, now=now, about=about(subject))
    if len(state) > LONGEST:
        raise BadResult("requestState is too long")
    return {**result, "requestState": state}


def take_round(
    decoded: Decoded, params: Object, redactions: tuple[Redaction, ...]
) -> tuple[Object, Round]:
    """Return the params as they go on, and the round; the same params for a first call.

    The server gets its own state, and answers that it asked for, that policy lets it ask for, and
    that are redacted. Raises Refused. A client may answer without a state what a task asks, or what
    it expects to be asked: policy judges by what such an answer is.
    """
    if not any(name in params for name in FIELDS):
        return params, Round()
    kept = {name: value for name, value in params.items() if name not in FIELDS}
    if decoded.version != MODERN:
        return kept, Round()
    if decoded.method is None or not (decoded.method.retried or decoded.method.name == _UPDATE):
        return params, Round()
    state = _State()
    if "requestState" in params:
        state = _opened(decoded, params["requestState"])
    if state.own is not None:
        kept["requestState"] = state.own
    kinds: tuple[ServerRequest, ...] = ()
    if "inputResponses" in params:
        answers = _answers(params["inputResponses"], state, to_task=not decoded.method.retried)
        kinds = tuple(dict.fromkeys(kind for _, kind in answers.values()))
        more = {kind: _judged(decoded, kind) for kind in kinds}
        kept["inputResponses"] = {
            name: redact_answer(answer, (*redactions, *more[kind]))
            for name, (answer, kind) in answers.items()
        }
    return kept, Round(number=state.number, key=state.key, answers=kinds)


def _opened(decoded: Decoded, text: Json) -> _State:
    known = decoded.known
    try:
        handle = known.holder.open(
            _PURPOSE, text, now=known.routed.received.now, max_age=MAX_AGE, longest=LONGEST,
            about=about(decoded.subject),
        )  # fmt: skip
    except BadHandle as bad:
        raise Refused(
            "InvalidParams",
            message="params.requestState is none that this very call gave you; call without it",
            detail=f"requestState: {bad}",
        ) from None
    own, asked, number = handle.value
    assert isinstance(asked, dict)  # sealed by us
    assert isinstance(number, int)
    kinds = {name: ServerRequest(str(kind)) for name, kind in asked.items()}
    return _State(own=own, asked=kinds, number=number, key=handle.key)


def _answers(given: Json, state: _State, *, to_task: bool) -> dict[str, tuple[Json, ServerRequest]]:
    """Return the answers with their kinds, less those to what this server did not ask.

    What a task asks is not known here: an answer that fits nothing is one to nothing.
    """
    if not isinstance(given, dict):
        raise Refused("InvalidParams", message="params.inputResponses must be an object")
    if len(given) > MOST_ASKED:
        message = f"params.inputResponses must hold at most {MOST_ASKED} answers"
        raise Refused("InvalidParams", message=message)
    answers: dict[str, tuple[Json, ServerRequest]] = {}
    for name, answer in given.items():
        if state.key and name not in state.asked:
            continue
        kind = state.asked[name] if state.key else kind_of(answer)
        if kind is None and to_task:
            continue
        if kind is None or not fits(kind, answer):
            message = f"params.inputResponses[{name[:80]!r}] is no answer to what was asked"
            raise Refused("InvalidParams", message=message)
        answers[name] = answer, kind
    return answers


def _judged(decoded: Decoded, kind: ServerRequest) -> tuple[Redaction, ...]:
    """Return what to redact in an answer; what the server may not ask any more gets none."""
    known = decoded.known
    received, subject = known.routed.received, subject_of_input(kind)
    verdict = known.judge.verdict(subject, received.now)
    if not verdict.allowed:
        received.seen.subject, received.seen.verdict = subject, verdict
        raise refusal_of(known.judge, subject, verdict, received.now)
    return verdict.redactions


def about(subject: Subject) -> Json:
    """Return what a state is good for: the method, what it names, and the very same arguments."""
    arguments = subject.arguments
    digest = ""
    if isinstance(arguments, Mapping):
        digest = hashlib.sha256(canonical_json(arguments)).hexdigest()
    return [subject.method, subject.name, digest]
