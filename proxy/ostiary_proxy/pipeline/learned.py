"""What lists taught us about tools: which arguments their callers repeat in headers (rule 15).

A server may show each person other tools, so it is known by grant. A tool of which nothing is known
is the server's to check.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from ostiary.policy.facts import Subject
from ostiary_proxy.mcp.parameters import Parameter

__all__ = ["Learned"]

_EACH: Final = 2048
_MOST: Final = 64 * 1024
"""Marked arguments that are remembered, of one grant and of all together."""
_LONGEST: Final = 512
"""Characters of the name of a tool of which something is remembered."""


class Learned:
    """Remembers the last that was seen, within bounds. One lives as long as a configuration."""

    __slots__ = ("_by_grant", "_marks")

    def __init__(self) -> None:
        self._marks = 0
        self._by_grant: OrderedDict[str, dict[str, tuple[Parameter, ...]]] = OrderedDict()

    def learn(self, gid: str, tools: Mapping[str, tuple[Parameter, ...]]) -> None:
        """Take note of what a page of a list says about these tools."""
        known = self._by_grant.pop(gid, {})
        before = _count(known)
        room = _EACH - before
        for name, parameters in tools.items():
            room += len(known.pop(name, ()))
            if 0 < len(parameters) <= room and len(name) <= _LONGEST:
                known[name] = parameters
                room -= len(parameters)
        if known:
            self._by_grant[gid] = known
        self._marks += _EACH - room - before
        while self._marks > _MOST:
            self._marks -= _count(self._by_grant.popitem(last=False)[1])

    def of(self, gid: str, subject: Subject) -> tuple[Parameter, ...]:
        """Return the marked arguments of a call; nothing where nothing is known of its tool."""
        if subject.method != "tools/call":
            return ()
        return self._by_grant.get(gid, {}).get(subject.name, ())


def _count(known: Mapping[str, tuple[Parameter, ...]]) -> int:
    return sum(map(len, known.values()))
