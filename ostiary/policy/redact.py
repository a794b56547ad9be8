"""Redactions: text found by a pattern, or values at paths, give way to a replacement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import re2

from ostiary.decode.fault import Fault
from ostiary.decode.strict_json import Json
from ostiary.policy.rule import Redact, RedactIn

__all__ = ["Redaction", "compile_redaction", "redact_arguments", "redact_result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """One compiled redaction.

    `text` changes a string, `paths` lead to values that are replaced whole.
    """

    where: RedactIn
    text: Callable[[str], str] | None
    paths: tuple[tuple[str, ...], ...]
    replacement: str


def compile_redaction(redact: Redact, path: str) -> tuple[Redaction | None, list[Fault]]:
    """Return the redaction, or None with what is wrong with it."""
    if redact.pattern is None and not redact.paths:
        return None, [Fault(path=path, message="needs a pattern or paths")]
    text = None
    if redact.pattern is not None:
        try:
            text = _replacing(redact.pattern, redact.replacement)
        except re2.error as error:
            why = str(error.args[0] if error.args else error)
            return None, [Fault(path=f"{path}.pattern", message=f"is not an RE2 pattern: {why}")]
    paths = tuple(tuple(item.split(".")) for item in redact.paths or ())
    return (
        Redaction(where=redact.in_, text=text, paths=paths, replacement=redact.replacement),
        [],
    )


def redact_arguments(arguments: Json, redactions: Sequence[Redaction]) -> Json:
    """Return the arguments after every redaction of arguments.

    The same object where nothing changed.
    """
    return _apply(arguments, [r for r in redactions if r.where is RedactIn.ARGUMENTS])


def redact_result(result: Json, redactions: Sequence[Redaction]) -> Json:
    """Return a result after every redaction of results.

    Texts at any depth, and paths into structuredContent.

    Binary data (`data`, `blob`) is left alone: it can't be screened as text. The same object where
    nothing changed.
    """
    ours = [r for r in redactions if r.where is RedactIn.RESULT]
    if not ours or not isinstance(result, dict):
        return result
    changed = dict(result)
    if "structuredContent" in changed:
        changed["structuredContent"] = _apply(changed["structuredContent"], ours)
    texts = [r.text for r in ours if r.text is not None]
    for key, value in changed.items():
        if key != "structuredContent":
            changed[key] = _texts(value, texts, skip=_BINARY)
    return changed if changed != result else result


_BINARY: Final = frozenset({"data", "blob", "mimeType", "type"})


def _replacing(pattern: str, replacement: str) -> Callable[[str], str]:
    compiled = re2.compile(pattern)
    literal = replacement.replace("\\", "\\\\")

    def replace(text: str) -> str:
        return str(compiled.sub(literal, text))

    return replace


def _apply(value: Json, redactions: Sequence[Redaction]) -> Json:
    if not redactions:
        return value
    changed = _texts(value, [r.text for r in redactions if r.text is not None], skip=frozenset())
    for redaction in redactions:
        for path in redaction.paths:
            changed = _at(changed, path, redaction.replacement)
    return value if changed == value else changed


def _texts(value: Json, replacers: Sequence[Callable[[str], str]], *, skip: frozenset[str]) -> Json:
    """Return `value` with every string but those under `skip` keys changed."""
    if isinstance(value, str):
        for replace in replacers:
            value = replace(value)
        return value
    if isinstance(value, list):
        return [_texts(item, replacers, skip=skip) for item in value]
    if isinstance(value, dict):
        return {
            key: item
            if key in skip and isinstance(item, str)
            else _texts(item, replacers, skip=skip)
            for key, item in value.items()
        }
    return value


def _at(value: Json, path: tuple[str, ...], replacement: str) -> Json:
    """Return `value` with whatever lies at `path` replaced; `*` stands for any member or item."""
    if not path:
        return replacement
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {
            key: _at(item, rest, replacement) if step in ("*", key) else item
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _at(item, rest, replacement) if step in ("*", str(index)) else item
            for index, item in enumerate(value)
        ]
    return value
