"""Redactions: text found by a pattern, or values at paths, give way to a replacement.

All redactions are looked for in the original and joined, so their order is irrelevant: overlapping
finds become one, a path wins over a pattern, an outer path over an inner one. Numbers of arguments
and structured content are searched as they were written. Binary data (`blob`, image and audio
`data`) and what peers hand back unread (ids, cursors) is left alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import re2

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, Number, read_json
from ostiary.policy.rule import Redact, RedactIn

__all__ = [
    "Redaction", "compile_redaction", "redact_answer", "redact_arguments", "redact_result",
]  # fmt: skip

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_WORDS: Final = {
    "action": frozenset({"accept", "decline", "cancel"}),
    "method": frozenset({"elicitation/create", "roots/list", "sampling/createMessage"}),
    "mode": frozenset({"form", "url"}),
    "type": frozenset(
        {
            "text", "image", "audio", "resource", "resource_link", "tool_use", "tool_result",
            "object", "string", "number", "integer", "boolean", "array",
        }
    ),
    "role": frozenset({"user", "assistant"}),
    "resultType": frozenset({"complete", "input_required", "task"}),
    "status": frozenset({"working", "input_required", "completed", "failed", "cancelled"}),
}  # fmt: skip
"""Members whose fixed words belong to the protocol: a pattern that finds them must not break it."""
_OPAQUE: Final = frozenset(
    {
        "elicitationId", "id", "mimeType", "nextCursor", "progressToken", "requestId",
        "requestState", "taskId", "toolUseId",
    }
)  # fmt: skip
"""Members that peers hand back as they are; `uri` is not among them: it may carry a secret."""
_MOMENTS: Final = frozenset({"createdAt", "lastModified", "lastUpdatedAt"})
_MOMENT: Final = re2.compile(r"\d{4}-\d\d-\d\d(T[0-9:.]{5,18}(Z|[+-]\d\d:\d\d)?)?")
"""Members that hold a time, and how one is written: digits, but nobody's."""
_MOST: Final = 50_000
"""Finds of one message that are replaced each for itself; more would hold up all others."""
_MANY: Final = 250_000
"""Values of a text that is JSON; one of more is not read."""
_FREE: Final = frozenset({"structuredContent", "_meta", "data", "input", "arguments"})
"""Members of any shape: their numbers and member names are data, not protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """One compiled redaction: `pattern` searches texts, `paths` lead to values replaced whole."""

    where: RedactIn
    pattern: Any
    paths: tuple[tuple[str, ...], ...]
    replacement: str


def compile_redaction(redact: Redact, path: str) -> tuple[Redaction | None, list[Fault]]:
    """Return the redaction, or None with what is wrong with it."""
    faults: list[Fault] = []
    if redact.pattern is None and not redact.paths:
        faults.append(Fault(path=path, message="needs a pattern or paths"))
    pattern = _pattern(redact.pattern, f"{path}.pattern", faults)
    paths = tuple(tuple(item.split(".")) for item in redact.paths or ())
    for index, steps in enumerate(paths):
        if "" in steps:
            message = "has an empty step; write it like customer.card or items.*.price"
            faults.append(Fault(path=f"{path}.paths[{index}]", message=message))
    if faults:
        return None, faults
    compiled = Redaction(
        where=redact.in_, pattern=pattern, paths=paths, replacement=redact.replacement
    )
    return compiled, []


def _pattern(text: str | None, path: str, faults: list[Fault]) -> Any:
    try:
        return None if text is None else re2.compile(text, _OPTIONS)
    except re2.error as error:
        why = error.args[0] if error.args else error
        told = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        faults.append(Fault(path=path, message=f"is not an RE2 pattern: {told}"))
    return None


def redact_arguments(arguments: Json, redactions: Sequence[Redaction]) -> Json:
    """Return the arguments after every redaction of arguments; the same object if unchanged."""
    screen = _Screen(redactions, RedactIn.ARGUMENTS)
    return screen.free(arguments, screen.paths) if screen.needed else arguments


def redact_answer(answer: Json, redactions: Sequence[Redaction]) -> Json:
    """Return what a client answers to a server's request, after every redaction of arguments.

    What a person filled in (`content` beside an `action`) is screened like arguments, all else like
    what the protocol names. The same object if nothing changed.
    """
    screen = _Screen(redactions, RedactIn.ARGUMENTS)
    if not screen.needed or not isinstance(answer, dict):
        return answer
    if "action" not in answer:
        return screen.protocol(answer)
    if "content" not in answer:
        return answer
    content = screen.free(answer["content"], screen.paths)
    return answer if content is answer["content"] else {**answer, "content": content}


def redact_result(result: Json, redactions: Sequence[Redaction]) -> Json:
    """Return a result (or JSON-RPC error object) after every redaction of results.

    Patterns search every text at any depth; paths lead into `structuredContent` and into texts that
    are JSON themselves, since servers repeat the one as the other. A text that looks like JSON and
    can't be read without doubt is replaced whole where there are paths. The same object if nothing
    changed.
    """
    screen = _Screen(redactions, RedactIn.RESULT)
    return screen.protocol(result) if screen.needed else result


Tails = tuple[tuple[tuple[str, ...], str], ...]


class _Screen:
    """The redactions of one direction, joined; each method returns the same object if unchanged.

    One screens one message: `_left` finds may be replaced in it each for itself.
    """

    __slots__ = ("_left", "needed", "paths", "patterns")

    def __init__(self, redactions: Sequence[Redaction], where: RedactIn) -> None:
        ours = [redaction for redaction in redactions if redaction.where is where]
        self._left = _MOST
        self.needed = bool(ours)
        self.patterns = [(r.pattern, r.replacement) for r in ours if r.pattern is not None]
        self.paths: Tails = tuple((path, r.replacement) for r in ours for path in r.paths)

    def text(self, text: str) -> str:
        """Replace what patterns find; overlapping finds are one, with the first's replacement.

        A text with more finds than are left gives way whole.
        """
        finds = (
            (match.start(), -match.end(), replacement)
            for pattern, replacement in self.patterns
            for match in pattern.finditer(text)
            if match.end() > match.start()
        )
        found = sorted(islice(finds, self._left + 1))
        if not found:
            return text
        if len(found) > self._left:
            return min(replacement for _, replacement in self.patterns)
        self._left -= len(found)
        parts: list[str] = []
        done = 0
        for start, minus_end, replacement in found:
            if start >= done:
                parts += [text[done:start], replacement]
            done = max(done, -minus_end)
        return "".join((*parts, text[done:]))

    def free(self, value: Json, tails: Tails) -> Json:
        """Screen a value of any shape, its keys too; `tails` are the paths that go on from here."""
        gone = [replacement for path, replacement in tails if not path]
        if gone:
            return min(gone)
        if isinstance(value, dict):
            pairs = [(key, self.free(item, _along(tails, key))) for key, item in value.items()]
            renamed = [(self.text(key), item) for key, item in pairs]
            return _same(value, _joined(renamed))
        if isinstance(value, list):
            items = [self.free(item, _along(tails, str(at))) for at, item in enumerate(value)]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return self._leaf(value)

    def protocol(self, value: Json) -> Json:
        """Screen a value whose member names belong to the protocol."""
        if isinstance(value, dict):
            return _same(value, {key: self._member(value, key) for key in value})
        if isinstance(value, list):
            items = [self.protocol(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return self.text(value) if isinstance(value, str) else value

    def _member(self, holder: dict[str, Json], key: str) -> Json:
        item = holder[key]
        if not isinstance(item, str):
            if key in _FREE:
                return self.free(item, self.paths if key == "structuredContent" else ())
            return self.protocol(item)
        binary = key == "blob" or (key == "data" and holder.get("type") in ("image", "audio"))
        moment = key in _MOMENTS and _MOMENT.fullmatch(item) is not None
        if binary or moment or key in _OPAQUE or item in _WORDS.get(key, ()):
            return item
        return self.text(self._json_text(item) if key == "text" and self.paths else item)

    def _json_text(self, text: str) -> str:
        start = text.lstrip()
        if not start.startswith(("{", "[")):
            return text
        try:
            value = read_json(start.encode(), max_values=_MANY)
        except Faulty:
            rest = start[1:].lstrip()
            many = sum(map(rest.count, ",[{")) >= _MANY
            doubtful = many or rest.startswith(('"', "{", "[", "}", "]"))
            return min(replacement for _, replacement in self.paths) if doubtful else text
        screened = _Screen.free(_PATHS_ONLY, value, self.paths)
        return text if screened is value else write_json(screened).decode()

    def _leaf(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if self.patterns and isinstance(value, int | float) and not isinstance(value, bool):
            written = value.lexeme if isinstance(value, Number) else repr(value)
            screened = self.text(written)
            return value if screened == written else screened
        return value


_PATHS_ONLY: Final = _Screen((), RedactIn.RESULT)


def _along(tails: Tails, step: str) -> Tails:
    if not tails:
        return tails
    return tuple((path[1:], text) for path, text in tails if path[0] in ("*", step))


def _joined(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    """Make an object again; keys that were redacted into one place get numbers."""
    members: dict[str, Json] = {}
    taken: Counter[str] = Counter()
    for key, item in pairs:
        free = key
        while free in members:
            taken[key] += 1
            free = f"{key}'{taken[key]}"
        members[free] = item
    return members


def _same(before: dict[str, Json], after: dict[str, Json]) -> Json:
    """Return `before` where `after` holds the same keys and the very same values."""
    unchanged = len(before) == len(after) and all(
        key in after and after[key] is item for key, item in before.items()
    )
    return before if unchanged else after
