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

_GRANTS: Final = 4096
_TOOLS: Final = 1024
"""Tools with marked arguments, by grant."""


class Learned:
    """Remembers the last that was seen, within bounds. One lives as long as a configuration."""

    __slots__ = ("_by_grant",)

    def __init__(self) -> None:
        self._by_grant: OrderedDict[str, dict[str, tuple[Parameter, ...]]] = OrderedDict()

    def learn(self, gid: str, tools: Mapping[str, tuple[Parameter, ...]]) -> None:
        """Take note of what a page of a list says about these tools."""
        known = self._by_grant.pop(gid, {})
        for name, parameters in tools.items():
            known.pop(name, None)
            if parameters and len(known) < _TOOLS:
                known[name] = parameters
        if known:
            self._by_grant[gid] = known
        if len(self._by_grant) > _GRANTS:
            self._by_grant.popitem(last=False)

    def of(self, gid: str, subject: Subject) -> tuple[Parameter, ...]:
        """Return the marked arguments of a call; nothing where nothing is known of its tool."""
        if subject.method != "tools/call":
            return ()
        return self._by_grant.get(gid, {}).get(subject.name, ())
