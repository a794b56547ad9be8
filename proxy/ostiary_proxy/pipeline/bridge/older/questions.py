"""What a legacy server asks the client of one call: open until it is answered or taken back."""

from collections.abc import Iterator
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import asking
from ostiary_proxy.mcp.bridge.to_legacy import answer_of
from ostiary_proxy.mcp.message import Notification, Request, Response

__all__ = ["Questions"]

_MOST: Final = 16
_ROOM: Final = 512 * 1024
"""Bytes that are asked at once, but for one question that is larger: a round is one event."""


class Questions:
    """Each has a name by which the client is asked; no name is used twice in one call."""

    def __init__(self) -> None:
        self._open: dict[str, Request] = {}
        self._sizes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._open.values())

    @property
    def full(self) -> bool:
        """Say whether some have to be answered before more can be asked."""
        return len(self._open) >= _MOST or sum(self._sizes[name] for name in self._open) >= _ROOM

    def ask(self, asked: Request) -> None:
        """Take note that the server asks this."""
        name = f"question-{len(self._sizes) + 1}"
        self._open[name] = asked
        self._sizes[name] = len(write_json(asked.params))

    def take_back(self, note: Notification) -> None:
        """Take note that the server wants no answer to a question any more."""
        gone = note.params.get("requestId")
        for name, asked in tuple(self._open.items()):
            if type(asked.id) is type(gone) and asked.id == gone:  # 1 and "1" are two ids
                del self._open[name]

    def answered(self, answers: Json) -> list[Response]:
        """Return what the server is told of `answers` by name; these questions are open no more."""
        given = answers if isinstance(answers, dict) else {}
        found = {name: given[name] for name in self._open if name in given}
        return [
            answer_of(self._open.pop(name), answer)
            for name, answer in found.items()
            if isinstance(answer, dict)
        ]

    def result(self, state: str) -> dict[str, Json]:
        """Return the result that asks the client what is open, as far as there is room."""
        asked: dict[str, Request] = {}
        size = 0
        for name, question in self._open.items():
            size += self._sizes[name]
            if asked and size > _ROOM:
                break
            asked[name] = question
        return asking(asked, state)
