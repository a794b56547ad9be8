"""Reading YAML so that people and clusters can't disagree on what was read.

Plain scalars follow the YAML 1.2 core schema; what YAML 1.1 readers take for something else
(`yes`, `012`, `1_000`, `<<`) is a fault that says what to write instead. Clock times and dates stay
strings. Every value keeps its line and column, so that faults found later can point at it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import yaml

from ostiary.decode.fault import Fault, Faulty

__all__ = ["MAX_SIZE", "Document", "Plain", "Position", "read_documents"]

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
"""A YAML value as it was read."""

MAX_SIZE: Final = 8 * 1024 * 1024
"""Bytes of one file at most."""
_MAX_DEPTH: Final = 64
_TOO_DEEP: Final = f"nested deeper than {_MAX_DEPTH} levels"
_MAX_VALUES: Final = 400_000
_MAX_FAULTS: Final = 100
_WORDS: Final = re.compile(r"(?i:yes|no|on|off|y|n)")
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ODD_NUMBER: Final = re.compile(
    r"[-+]?(?:0[0-7_]+|0[0-9_]+|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?|\.(?i:inf|nan))"
)
_BOOLEANS: Final = {name: name.lower() == "true" for name in
                    ("true", "True", "TRUE", "false", "False", "FALSE")}  # fmt: skip
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_STRING_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})
_COLLECTION_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_AMBIGUOUS_WORD: Final = (
    "is a boolean to some readers and a string to others; write true or false, or quote it"
)
# The number itself is not repeated: it may be a password that nobody quoted.
_AMBIGUOUS_NUMBER: Final = (
    "this number is read differently by different readers; "
    "write a plain decimal number, or quote it"
)
_FOREIGN: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file: its value, and where each value of it stands, by path."""

    file: str
    value: Plain
    positions: Mapping[str, Position]

    def locate(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        """Return the faults with file, line and column of their path.

        A path that does not stand in the document (a missing field) gets the place of the nearest
        value around it.
        """
        return tuple(self._located(fault) for fault in faults)

    def _located(self, fault: Fault) -> Fault:
        path = fault.path
        while path and path not in self.positions:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        position = self.positions.get(path, Position(1, 1))
        return replace(fault, file=self.file, line=position.line, column=position.column)


def read_documents(text: bytes, file: str) -> tuple[Document, ...]:
    """Return the documents of one YAML file; empty ones are left out.

    Raises Faulty with everything that is wrong: syntax, duplicate keys, keys that are no strings,
    words and numbers that readers disagree on, tags, merge keys, alias bombs, an encoding other
    than UTF-8, size, depth.
    """
    reader = _Reader(file=file)
    decoded = _decode(text, file)
    try:
        documents = tuple(reader.documents(yaml.parse(decoded, Loader=yaml.CSafeLoader)))
    except _TooMuch as fault:
        reader.faults.append(replace(fault.fault, file=file))
    except yaml.MarkedYAMLError as error:
        reader.faults.append(_syntax_fault(error, file))
    except yaml.reader.ReaderError as error:
        reader.faults.append(_character_fault(error, decoded, file))
    if reader.faults:
        raise Faulty(reader.faults[:_MAX_FAULTS])
    return documents


class _TooMuch(Exception):  # noqa: N818 - a statement
    """Reading on would be useless or dangerous."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(str(fault))


@dataclass(slots=True)
class _Anchor:
    """What an anchor names, and how many values it stands for; `open` while it is being read."""

    value: Plain = None
    size: int = 0
    open: bool = True


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Builds values out of parser events; collects faults rather than stopping at the first."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    anchors: dict[str, _Anchor] = field(default_factory=dict)
    size: int = 0
    depth: int = 0

    def documents(self, events: Iterator[Any]) -> Iterator[Document]:
        for event in events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            self.positions, self.anchors = {}, {}
            value = self._value(next(events), events, "")
            next(events)  # the end of the document
            if value is not None:
                yield Document(file=self.file, value=value, positions=self.positions)

    def _value(self, event: Any, events: Iterator[Any], path: str) -> Plain:
        if path not in self.positions or isinstance(event, yaml.ScalarEvent):
            self.positions[path] = _position(event)
        self._grow(1, event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        anchor = _Anchor()
        if event.anchor:
            self.anchors[event.anchor] = anchor
        before = self.size
        anchor.value = self._built(event, events, path)
        anchor.size, anchor.open = self.size - before + 1, False
        return anchor.value

    def _built(self, event: Any, events: Iterator[Any], path: str) -> Plain:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._fault(event, path, f"the tag {event.tag[:60]!r} is not read; remove it")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _TooMuch(_at(event, path[:120], _TOO_DEEP))
        value: Plain = (
            self._mapping(events, path)
            if isinstance(event, yaml.MappingStartEvent)
            else self._sequence(events, path)
        )
        self.depth -= 1
        return value

    def _sequence(self, events: Iterator[Any], path: str) -> list[Plain]:
        items: list[Plain] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, events, f"{path}[{len(items)}]"))
        return items

    def _mapping(self, events: Iterator[Any], path: str) -> dict[str, Plain]:
        members: dict[str, Plain] = {}
        lines: dict[str, int] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path)
            inner = f"{path}.{key}" if path else key
            if key in lines:
                said = f"this key stands twice, first in line {lines[key]}; remove one"
                self._fault(event, inner, said)
            lines[key] = event.start_mark.line + 1
            self.positions[inner] = _position(event)
            members[key] = self._value(next(events), events, inner)
        return members

    def _key(self, event: Any, events: Iterator[Any], path: str) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            # Read past it, so that the rest of the document is still looked at.
            self._value(event, events, f"{path}.?")
            self._fault(event, path, "a key must be a string, not a map, a list or an alias")
            return "?"
        if event.implicit[0] and event.value == "<<":
            self._fault(event, path, "merge keys (<<) are not read; write the fields out")
            return "<<"
        key = self._scalar(event, path)
        if not isinstance(key, str):
            said = (
                f"the key {event.value[:60]!r} is read as something other than a string; quote it"
            )
            self._fault(event, path, said)
        return str(event.value)

    def _alias(self, event: Any, path: str) -> Plain:
        anchor = self.anchors.get(event.anchor)
        if anchor is None or anchor.open:
            what = "is not defined before" if anchor is None else "refers to itself"
            self._fault(event, path, f"the alias *{event.anchor[:60]} {what}")
            return None
        self._grow(anchor.size, event, path)
        return anchor.value

    def _scalar(self, event: Any, path: str) -> Plain:
        text: str = event.value
        if event.tag is not None and event.tag not in _STRING_TAGS:
            self._fault(event, path, f"the tag {event.tag[:60]!r} is not read; remove it")
            return text
        if event.tag is not None or not event.implicit[0]:
            return text
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        return self._number_or_text(event, text, path)

    def _number_or_text(self, event: Any, text: str, path: str) -> Plain:
        if _WORDS.fullmatch(text):
            self._fault(event, path, f"{text} {_AMBIGUOUS_WORD}")
        elif _INTEGER.fullmatch(text) and len(text) <= 19:
            return int(text)
        elif _ODD_NUMBER.fullmatch(text):
            self._fault(event, path, _AMBIGUOUS_NUMBER)
        elif _FLOAT.fullmatch(text):
            return self._float(event, text, path)
        return text

    def _float(self, event: Any, text: str, path: str) -> Plain:
        number = float(text)
        if number in (float("inf"), float("-inf")) or _INTEGER.fullmatch(text):
            self._fault(event, path, "the number is too large; quote it if it is meant as a string")
        return number

    def _grow(self, size: int, event: Any, path: str) -> None:
        self.size += size
        if self.size > _MAX_VALUES:
            said = (
                f"the file stands for more than {_MAX_VALUES} values, aliases written out; split it"
            )
            raise _TooMuch(_at(event, path[:120], said))

    def _fault(self, event: Any, path: str, message: str) -> None:
        self.faults.append(replace(_at(event, path, message), file=self.file))
        if len(self.faults) >= _MAX_FAULTS:
            raise _TooMuch(_at(event, "", "too many faults; the rest of the file was not read"))


def _decode(text: bytes, file: str) -> str:
    if len(text) > MAX_SIZE:
        raise _faulty(file, f"the file is larger than {MAX_SIZE // 1024 // 1024} MiB; split it")
    for mark, name in _FOREIGN:
        if text.startswith(mark):
            raise _faulty(file, f"the file is {name}; save it as UTF-8")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise _faulty(
            file, "not UTF-8 from here on; save the file as UTF-8", line, column
        ) from None


def _faulty(file: str, message: str, line: int = 1, column: int = 1) -> Faulty:
    return Faulty([Fault(path="", message=message, file=file, line=line, column=column)])


def _syntax_fault(error: yaml.MarkedYAMLError, file: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    said = ": ".join(part for part in (error.context, error.problem) if part)
    # The parser has a limit of its own, which it may meet while it looks ahead of us.
    too_deep = "maximum nesting depth" in said
    return Fault(
        path="",
        message=_TOO_DEEP if too_deep else f"not YAML: {said}",
        file=file,
        line=mark.line + 1 if mark else 1,
        column=mark.column + 1 if mark else 1,
    )


def _character_fault(error: yaml.reader.ReaderError, text: str, file: str) -> Fault:
    before = text.encode()[: error.position]
    return Fault(
        path="",
        message="a control character can't stand here; remove it",
        file=file,
        line=before.count(b"\n") + 1,
        column=len(before) - before.rfind(b"\n"),
    )


def _at(event: Any, path: str, message: str) -> Fault:
    position = _position(event)
    return Fault(path=path, message=message, line=position.line, column=position.column)


def _position(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)
