"""CEL conditions behind a type of our own.

Compiled once, true only where the result is the boolean true.

The evaluator does not raise on a run-time error but returns a value of type ERROR that is truthy;
whatever is not a BOOL is unknown here. Facts that are missing are left out of the activation, so
that reading them is an error, too.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

from ostiary.decode.strict_json import Json, Number
from ostiary.policy.facts import DEFERRED, UNKNOWN, Facts, Kind
from ostiary.policy.verdict import ClauseValue

__all__ = ["Expression", "ExpressionFaulty"]

_FACTS: Final = {
    "method": cel.Type.STRING,
    "name": cel.Type.STRING,
    "tool": cel.Type.STRING,
    "prompt": cel.Type.STRING,
    "resource": cel.Type.STRING,
    "user": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "client": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "login": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "route": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "source": cel.Type.STRING,
    "now": cel.Type.TIMESTAMP,
}
_ARGUMENTS: Final = {"args": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}


def _environment(variables: Mapping[str, Any]) -> cel.Env:
    extensions = [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
    ]
    return cel.NewEnv(variables=variables, extensions=extensions)


_WITHOUT_ARGUMENTS: Final = _environment(_FACTS)
_WITH_ARGUMENTS: Final = _environment({**_FACTS, **_ARGUMENTS})


class ExpressionFaulty(ValueError):  # noqa: N818 - a statement
    """The text is not a CEL expression that yields a boolean; the message says where and why."""


class Expression:
    """One compiled condition. `reads_arguments` is known at compile time."""

    __slots__ = ("_compiled", "reads_arguments", "text")

    def __init__(self, text: str) -> None:
        """Compile `text`; raises ExpressionFaulty."""
        self.text = text
        self.reads_arguments = False
        try:
            self._compiled = _WITHOUT_ARGUMENTS.compile(text)
        except RuntimeError:
            self.reads_arguments = True
            self._compiled = _compile_with_arguments(text)
        if self._compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            kind = self._compiled.return_type().name()
            raise ExpressionFaulty(f"yields {kind}, a condition must yield a boolean")

    def evaluate(self, facts: Facts) -> ClauseValue:
        """Return true, false, unknown, or deferred where it reads arguments of a listed item."""
        if self.reads_arguments and facts.subject.arguments is DEFERRED:
            return ClauseValue.DEFERRED
        try:
            result = self._compiled.eval(data=_activation(facts, arguments=self.reads_arguments))
        except RuntimeError:  # a budget is used up
            return ClauseValue.UNKNOWN
        if result.type() != cel.Type.BOOL:
            return ClauseValue.UNKNOWN
        return ClauseValue.TRUE if result.value() is True else ClauseValue.FALSE


def _compile_with_arguments(text: str) -> Any:
    try:
        return _WITH_ARGUMENTS.compile(text)
    except RuntimeError as error:
        first = str(error).partition("\n")[0].removeprefix("INVALID_ARGUMENT: ")
        raise ExpressionFaulty(first.removeprefix("ERROR: ")) from None


def _activation(facts: Facts, *, arguments: bool) -> dict[str, Any]:
    subject, caller, route = facts.subject, facts.caller, facts.route
    data: dict[str, Any] = {
        "method": subject.method,
        "name": subject.name,
        "tool": subject.name if subject.kind is Kind.TOOL else "",
        "prompt": subject.name if subject.kind is Kind.PROMPT else "",
        "resource": subject.name if subject.kind is Kind.RESOURCE else "",
        "user": _known(
            iss=caller.issuer,
            sub=caller.subject,
            email=caller.email,
            groups=None if caller.groups is None else sorted(caller.groups),
            claims=_plain(dict(caller.claims)),
        ),
        "client": _known(id=caller.client_id, host=caller.client_host),
        "login": _known(
            source=str(caller.login_source) if caller.login_source else None,
            time=int(caller.auth_time) if caller.auth_time is not None else None,
        ),
        "route": {"namespace": route.namespace, "name": route.name, "labels": dict(route.labels)},
        "now": datetime.fromtimestamp(facts.now, UTC),
    }
    if facts.source is not UNKNOWN:
        data["source"] = str(facts.source)
    if arguments and isinstance(subject.arguments, Mapping):
        data["args"] = _plain(dict(subject.arguments))
    return data


def _known(**members: Any) -> dict[str, Any]:
    """Leave out what is not known: reading it is then an error, never a default."""
    return {name: value for name, value in members.items() if value is not None}


def _plain(value: Json) -> Any:
    """Return JSON as the evaluator takes it: it does not know our `Number`."""
    if isinstance(value, Number):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
