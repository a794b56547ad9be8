"""CEL conditions behind a type of our own, compiled once; true is the boolean true alone.

The evaluator returns most run-time errors as truthy values of type ERROR, and raises others (a used
up budget); whatever is not a BOOL is unknown here. A fact that is missing stays out of the
activation, so that reading it is an error too. The evaluator ends a text at its first NUL: facts
that hold one are unknown. What lets a short text take much time or memory is left out of the
language: `map` and `filter` (quadratic), string building, `cel.bind`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from ostiary.decode.strict_json import Json
from ostiary.policy.ambiguous import is_ambiguous_path, is_ambiguous_uri
from ostiary.policy.facts import DEFERRED, UNKNOWN, Facts, Kind
from ostiary.policy.verdict import ClauseValue

__all__ = ["MAX_NODES", "MAX_WORK", "VARIABLES", "Expression", "ExpressionFaulty"]

MAX_NODES: Final = 10_000
"""How many values (members, items, texts, numbers) a condition looks at; more is unknown."""

MAX_WORK: Final = 32_000_000
"""How much a condition with all or exists may touch, in characters: turns times size; more is
unknown. The evaluator's own budget counts turns alone, and lets each take a megabyte."""

_STRING: Final = cel.Type.STRING
_OBJECT: Final = cel.Type.Map(_STRING, cel.Type.DYN)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_COSTLY: Final = re.compile(r"\b(map|filter)(?:\s|//[^\n]*\n)*\(")
_LOOP: Final = re.compile(r"\b(?:all|exists|exists_one|existsOne)(?:\s|//[^\n]*\n)*\(")
_LOOKING: Final = re.compile(r"\bpath(?:\s|//[^\n]*\n)*\(")
_MOST_TURNS: Final = 10_000
_CONTAINER: Final = " (in container '')"
_COMPLAINT: Final = re.compile(r"<input>:(\d+):(\d+): (.*)")


def _named(kind: Kind) -> Callable[[Facts], str | None]:
    return lambda facts: _item(facts) if facts.subject.kind is kind else None


def _item(facts: Facts) -> str | None:
    """Return the name of what is asked for; a URI that parsers may read otherwise is unknown."""
    subject = facts.subject
    if subject.kind is Kind.HOUSEKEEPING:
        return None
    if subject.kind is Kind.RESOURCE and is_ambiguous_uri(subject.name):
        return None
    return _uncut(subject.name)


def _groups(facts: Facts) -> list[str] | None:
    return None if facts.caller.groups is None else sorted(map(_uncut, facts.caller.groups))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _source(facts: Facts) -> str | None:
    return None if facts.source is UNKNOWN else str(facts.source)


def _login_source(facts: Facts) -> str | None:
    return None if facts.caller.login_source is None else str(facts.caller.login_source)


def _args(facts: Facts) -> dict[str, Any] | None:
    arguments = facts.subject.arguments
    return _plain_object(arguments) if isinstance(arguments, Mapping) else None


_ITEM: Final[Mapping[str, tuple[Any, Callable[[Facts], Any]]]] = {
    "args": (_OBJECT, _args),
    "name": (_STRING, _item),
    "tool": (_STRING, _named(Kind.TOOL)),
    "prompt": (_STRING, _named(Kind.PROMPT)),
    "resource": (_STRING, _named(Kind.RESOURCE)),
}
_REST: Final[Mapping[str, tuple[Any, Callable[[Facts], Any]]]] = {
    "method": (_STRING, lambda facts: facts.subject.method),
    "user.iss": (_STRING, lambda facts: facts.caller.issuer),
    "user.sub": (_STRING, lambda facts: _uncut(facts.caller.subject)),
    "user.email": (_STRING, lambda facts: _uncut(facts.caller.email or "") or None),
    "user.groups": (cel.Type.List(_STRING), _groups),
    "user.claims": (_OBJECT, lambda facts: _plain_object(facts.caller.claims)),
    "client.id": (_STRING, lambda facts: facts.caller.client_id),
    "client.host": (_STRING, lambda facts: facts.caller.client_host),
    "login.time": (cel.Type.TIMESTAMP, lambda facts: _moment(facts.caller.auth_time)),
    "login.source": (_STRING, _login_source),
    "route.namespace": (_STRING, lambda facts: facts.route.namespace),
    "route.name": (_STRING, lambda facts: facts.route.name),
    "route.labels": (cel.Type.Map(_STRING, _STRING), lambda facts: dict(facts.route.labels)),
    "source": (_STRING, _source),
    "now": (cel.Type.TIMESTAMP, lambda facts: _moment(facts.now)),
}
VARIABLES: Final = {**_ITEM, **_REST}
"""What a condition may read: name to CEL type and how it is had from the facts (None: unknown)."""


def _path(text: str) -> str:
    """Return a path that every program reads alike; raising makes the condition unknown."""
    if is_ambiguous_path(text):
        raise ValueError("programs may read this path in two ways")
    return text


_FUNCTIONS: Final = (
    cel.FunctionDecl("path", [cel.Overload("path_string", _STRING, [_STRING], False, _path)]),
)


def _environment(variables: Mapping[str, tuple[Any, object]]) -> Any:
    types = {name: kind for name, (kind, _) in variables.items()}
    return cel.NewEnv(
        variables=types, extensions=[ext_optional.ExtOptional()], functions=_FUNCTIONS
    )


_WHOLE: Final = _environment(VARIABLES)
_WITHOUT_ITEM: Final = _environment(_REST)
_WITHOUT_ARGS: Final = _environment({n: v for n, v in VARIABLES.items() if n != "args"})


class ExpressionFaulty(ValueError):  # noqa: N818 - a statement
    """The text is not a CEL expression that yields a boolean; the message says where and why."""


class Expression:
    """One compiled condition.

    `reads_arguments`, `reads_item` (arguments or the name of a tool, prompt or resource) and
    `reads_now` are known at compile time; the first two exactly, the third may err towards true.
    """

    __slots__ = (
        "_compiled",
        "_loops",
        "_reads",
        "reads_arguments",
        "reads_item",
        "reads_now",
        "text",
    )

    def __init__(self, text: str) -> None:
        """Compile `text`; raises ExpressionFaulty."""
        self.text = text
        costly = _COSTLY.search(text)
        if costly is not None:
            raise ExpressionFaulty(f"{costly[1]}() is not offered; use all, exists or exists_one")
        self._compiled = _compile(text)
        words = frozenset(_WORD.findall(text))
        reads = [name for name in VARIABLES if words.issuperset(name.split("."))]
        self._reads = tuple((name, VARIABLES[name][1]) for name in reads)
        self.reads_item = not _ITEM.keys().isdisjoint(reads) and not _compiles(_WITHOUT_ITEM, text)
        self.reads_arguments = "args" in reads and not _compiles(_WITHOUT_ARGS, text)
        self.reads_now = "now" in reads
        self._loops = _Loops(text)

    def evaluate(self, facts: Facts) -> ClauseValue:
        """Return true, false, unknown or deferred.

        Deferred is a condition on arguments while a list is filtered, and one on an item while
        housekeeping is judged: it is asked again when the item is.
        """
        subject = facts.subject
        if self.reads_arguments and subject.arguments is DEFERRED:
            return ClauseValue.DEFERRED
        if self.reads_item and subject.kind is Kind.HOUSEKEEPING:
            return ClauseValue.DEFERRED
        try:
            data = {name: value for name, read in self._reads if (value := read(facts)) is not None}
            self._loops.bound(data)
            result = self._compiled.eval(data=data)
        except (RuntimeError, _Unreadable):
            return ClauseValue.UNKNOWN
        if result.type() != cel.Type.BOOL:
            return ClauseValue.UNKNOWN
        return ClauseValue.TRUE if result.value() is True else ClauseValue.FALSE


class _Loops:
    """How often the loops of a condition may turn, at most, and what a turn may cost."""

    __slots__ = ("count", "dear", "items")

    def __init__(self, text: str) -> None:
        self.count = len(_LOOP.findall(text))
        self.items = text.count(",") + 1  # a list written in the condition has no more
        # joining copies and path() looks at each character; comparing doesn't
        self.dear = 16 if "+" in text or _LOOKING.search(text) else 1

    def bound(self, data: Mapping[str, Any]) -> None:
        """Raise _Unreadable where evaluating on `data` might take a notable part of a second."""
        if not self.count:
            return
        nodes, characters = _size(data)
        turns = min(_MOST_TURNS, max(nodes, self.items) ** min(self.count, 4))
        if turns * (4 * nodes + characters) * self.dear > MAX_WORK:
            raise _Unreadable


def _size(value: Any) -> tuple[int, int]:
    """Return how many values there are in `value`, itself included, and the length of its texts."""
    if isinstance(value, str):
        return 1, len(value)
    nodes, characters = 1, 0
    if isinstance(value, dict):
        characters = sum(map(len, value))
        value = value.values()
    elif not isinstance(value, list):
        return 1, 0
    for item in value:
        more_nodes, more_characters = _size(item)
        nodes, characters = nodes + more_nodes, characters + more_characters
    return nodes, characters


def _compile(text: str) -> Any:
    try:
        compiled = _WHOLE.compile(text)
    except RuntimeError as error:
        raise ExpressionFaulty(_explain(str(error))) from None
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        kind = compiled.return_type().name().lower()
        raise ExpressionFaulty(f"yields {kind}, a condition must yield a boolean")
    return compiled


def _compiles(environment: Any, text: str) -> bool:
    try:
        environment.compile(text)
    except RuntimeError:
        return False
    return True


def _explain(error: str) -> str:
    found = _COMPLAINT.findall(error)
    if not found:
        return error.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ")
    return "; ".join(
        f"line {line}, column {column}: {what.removesuffix(_CONTAINER)}"
        for line, column, what in found
    )


class _Unreadable(Exception):  # noqa: N818 - a statement
    """There is more than a condition looks at, or a text that the evaluator would cut off."""


def _plain_object(value: Mapping[str, Json]) -> dict[str, Any]:
    left = [MAX_NODES]
    return {_uncut(key): _plain(item, left) for key, item in value.items()}


def _plain(value: Json, left: list[int]) -> Any:
    """Return JSON as the evaluator takes it: it would read a subclass of float as an integer."""
    left[0] -= 1
    if left[0] < 0:
        raise _Unreadable
    if isinstance(value, str):
        return _uncut(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {_uncut(key): _plain(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, left) for item in value]
    return value


def _uncut(text: str) -> str:
    if "\0" in text:
        raise _Unreadable
    return text
