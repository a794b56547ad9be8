"""What a 2026-07-28 server asks of the client inside a result, and the answers that fit (rule 45).

The answers come with the retried call, under the server's names for what it asked.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind, Subject
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.message import Object

__all__ = ["fits", "kind_of", "lacking", "subject_of_input"]

_FORM, _URL = ServerRequest.ELICITATION_FORM, ServerRequest.ELICITATION_URL
_NONE: Final[Object] = {}
_METHODS: Final[Mapping[ServerRequest, str]] = {
    _FORM: "elicitation/create",
    _URL: "elicitation/create",
    ServerRequest.SAMPLING: "sampling/createMessage",
    ServerRequest.ROOTS: "roots/list",
}


def subject_of_input(kind: ServerRequest) -> Subject:
    """Return what policy decides a server's request of this kind on."""
    return Subject(kind=Kind.SERVER, method=_METHODS[kind], name=kind.value)


def lacking(
    kind: ServerRequest, declared: Object, params: Object = _NONE
) -> dict[str, Json] | None:
    """Return the capability that a client lacks for a request of this kind, or None (rule 23).

    `elicitation: {}` means forms, with `url` alone it means none; `sampling: {}` means no tools.
    """
    name = _METHODS[kind].partition("/")[0]
    said = declared.get(name)
    inside = said if isinstance(said, dict) else {}
    if kind is _URL and "url" not in inside:
        return {name: {"url": {}}}
    if kind is _FORM and "url" in inside and "form" not in inside:
        return {name: {"form": {}}}
    if kind is ServerRequest.SAMPLING and "tools" in params and "tools" not in inside:
        return {name: {"tools": {}}}
    return {name: {}} if said is None else None


def fits(kind: ServerRequest, answer: Json) -> bool:
    """Say whether `answer` is one to a request of this kind."""
    return isinstance(answer, dict) and _ANSWERS[kind](answer)


def kind_of(answer: Json) -> ServerRequest | None:
    """Return the kind of request that `answer` would fit, None where there is none."""
    return next((kind for kind in _ANSWERS if fits(kind, answer)), None)


def _visits(answer: Object) -> bool:
    """Say whether it answers that an address was shown, or was not: nothing comes with that."""
    return answer.get("action") in _ACTIONS and answer.get("content") in (None, {})


def _fills(answer: Object) -> bool:
    return answer.get("action") in _ACTIONS and isinstance(answer.get("content"), dict | None)


def _samples(answer: Object) -> bool:
    return isinstance(answer.get("role"), str) and isinstance(answer.get("content"), dict | list)


def _roots(answer: Object) -> bool:
    return isinstance(answer.get("roots"), list)


_ACTIONS: Final = ("accept", "decline", "cancel")
_ANSWERS: Final[Mapping[ServerRequest, Callable[[Object], bool]]] = {
    _FORM: _fills,
    _URL: _visits,
    ServerRequest.SAMPLING: _samples,
    ServerRequest.ROOTS: _roots,
}
