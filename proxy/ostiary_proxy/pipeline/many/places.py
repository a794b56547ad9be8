"""Where streams of several servers broke off: the ids that clients get for events, and say again.

An answer goes on at its server alone. The servers' own streams go on together, so an id of theirs
says of each server which of its events came last.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json

__all__ = ["InAnswer", "OnOwnStreams", "Place", "read_answer", "read_own_streams"]

_LONGEST: Final = 100
"""Bytes of one server's id on its own stream: those of eight fit into one header when sealed."""


class Place(Protocol):
    """How events of one stream are named for clients."""

    def named(self, own: str) -> str:
        """Return the id for clients of an event that its server calls `own`."""

    def passed(self, own: str) -> None:
        """Take note that the event is on its way to the client."""


class InAnswer:
    """Events in the answer to a request, or on a stream that ends with its server's."""

    def __init__(self, server: str) -> None:
        self._server = server

    def named(self, own: str) -> str:
        return f"{self._server}:{own}"

    def passed(self, own: str) -> None:
        """Forget it: each id stands for itself."""


class OnOwnStreams:
    """Events on one server's own stream; `last` is shared with the other servers' streams."""

    def __init__(self, server: str, last: dict[str, str]) -> None:
        self._server = server
        self._last = last

    def named(self, own: str) -> str:
        known = {**self._last, self._server: own}
        return write_json({name: one for name, one in known.items() if _fits(one)}).decode()

    def passed(self, own: str) -> None:
        self._last[self._server] = own


def read_answer(event_id: str) -> tuple[str, str]:
    """Return the server whose answer broke off, and its own id; empty for another id."""
    server, colon, own = event_id.partition(":")
    return (server, own) if colon and not event_id.startswith("{") else ("", "")


def read_own_streams(event_id: str) -> Mapping[str, str]:
    """Return by server after which of its events its own stream goes on."""
    try:
        plain = read_json(event_id.encode())
    except Faulty:
        return {}
    return {server: str(own) for server, own in plain.items()} if isinstance(plain, dict) else {}


def _fits(own: str) -> bool:
    return len(write_json(own)) <= _LONGEST
