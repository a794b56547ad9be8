"""Older schemas of the bundle, for proxies that an upgrade has still to replace.

`docs/adr/0014-bundles-of-two-schemas.md` says how the schema is raised.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["OLDER", "Older"]

Older = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From the JSON of a `Config` of today to that of an older schema.

It never widens: a route that the older schema can't say is `closed` in it.
"""
OLDER: Final[Mapping[int, Older]] = {}
"""By schema, the older ones that are still written: the one before today's, and no other."""
