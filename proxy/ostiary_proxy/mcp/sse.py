"""Server-sent events: bytes in any chunks to events, and events to bytes (rules 27 and 33)."""

import re
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["MAX_EVENT", "Event", "EventTooLarge", "Splitter", "write_event"]

MAX_EVENT: Final = 1024 * 1024
"""Bytes of one event with all its lines (decision 22)."""
_MESSAGE: Final = "message"
_NUMBER: Final = re.compile("[0-9]{1,9}")
"""Milliseconds of a `retry`."""
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):  # noqa: N818 - a statement
    """One event is larger than `MAX_EVENT`, or its bytes are not UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One block of the stream.

    `data` is None where the block has no data line. `id` and `retry` are None where absent.
    `comments` are the texts after the colon. A block of comments alone is an event with nothing
    else (a keep-alive).
    """

    data: str | None = None
    type: str | None = None
    id: str | None = None
    retry: str | None = None
    comments: tuple[str, ...] = ()

    def silent(self) -> "Event":
        """Return the event with its data emptied; its id counts for the client (pitfall 7)."""
        marks = self.id is not None or self.retry is not None
        return Event(data="" if marks else None, id=self.id, retry=self.retry)

    def plain(self) -> "Event":
        """Return the event with no words but its data: nobody judges what stands beside that.

        What is read as a message is one for the client too, whatever type the event has.
        """
        if not self.comments and self.retry is None and self.type in (None, _MESSAGE):
            return self
        number = self.retry is not None and _NUMBER.fullmatch(self.retry) is not None
        return replace(
            self,
            type=_MESSAGE if self.type is not None and self.data else None,
            retry=self.retry if number else None,
            comments=("",) if self.comments else (),
        )


class Splitter:
    """Takes bytes as they come, gives the events that are complete; lines end in CR, LF or CRLF."""

    __slots__ = ("_first", "_lines", "_rest", "_size", "_skip_lf")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._lines: list[bytes] = []
        self._size = 0
        self._first = True
        self._skip_lf = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completed; raises EventTooLarge."""
        events: list[Event] = []
        for line in self._split(data):
            if line:
                self._size += len(line)
                self._lines.append(line)
            elif self._lines:
                events.append(_event(self._lines))
                self._lines, self._size = [], 0
            if self._size > MAX_EVENT:
                raise EventTooLarge("an event is larger than 1 MiB")
        if self._size + len(self._rest) > MAX_EVENT:
            raise EventTooLarge("an event is larger than 1 MiB")
        return events

    def _split(self, data: bytes) -> list[bytes]:
        """Return the complete lines; an LF after a CR that ended the last chunk belongs to it."""
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if not data:
            return []
        self._skip_lf = data.endswith(b"\r")
        self._rest += data
        if b"\n" not in data and b"\r" not in data:
            return []
        text = bytes(self._rest)
        if self._first:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                return []
            self._first = False
            text = text.removeprefix(_BOM)
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(lines.pop())
        return lines


def _event(lines: list[bytes]) -> Event:
    data: list[str] = []
    comments: list[str] = []
    fields: dict[str, str] = {}
    for raw in lines:
        name, value = _field(raw)
        if not name:
            comments.append(value)
        elif name == "data":
            data.append(value)
        elif name in _KEPT and not (name == "id" and "\0" in value):
            fields[name] = value
    return Event(
        data="\n".join(data) if data else None,
        type=fields.get("event"),
        id=fields.get("id"),
        retry=fields.get("retry"),
        comments=tuple(comments),
    )


def _field(raw: bytes) -> tuple[str, str]:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise EventTooLarge("an event is not UTF-8") from None
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def write_event(event: Event) -> bytes:
    """Return the bytes of `event`; b"" where there is nothing in it."""
    lines = [f": {text}" if text else ":" for text in event.comments]
    if event.type is not None:
        lines.append(f"event: {event.type}")
    if event.id is not None:
        lines.append(f"id: {event.id}")
    if event.retry is not None:
        lines.append(f"retry: {event.retry}")
    if event.data is not None:
        lines.extend(f"data: {part}" for part in _parts(event.data))
    return ("\n".join(lines) + "\n\n").encode() if lines else b""


def _parts(data: str) -> list[str]:
    """Return the lines of `data`; a CR, which may stand between tokens of JSON, ends one too."""
    return (data.replace("\r\n", "\n").replace("\r", "\n") if "\r" in data else data).split("\n")


_KEPT: Final = frozenset(("event", "id", "retry"))
