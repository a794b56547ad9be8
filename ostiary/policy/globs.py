"""Names as people list them.

Exact, or with `*` for any run of characters, `/` and the empty run included.

Names compare raw and case-sensitive. Matching takes linear time: pieces are searched left to right,
no backtracking.
"""

from collections.abc import Iterable

__all__ = ["Names"]


class Names:
    """A compiled list of names and globs; an empty list matches nothing."""

    __slots__ = ("_exact", "_globs", "_prefixes", "every")

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = tuple(patterns)
        self.every = "*" in listed
        self._exact = frozenset(text for text in listed if "*" not in text)
        globs = [text.split("*") for text in listed if "*" in text]
        self._prefixes = tuple(pieces[0] for pieces in globs if len(pieces) == 2 and not pieces[1])
        self._globs = tuple(tuple(pieces) for pieces in globs if len(pieces) > 2 or pieces[1])

    def match(self, name: str) -> bool:
        """Say whether `name` is one of them."""
        if self.every or name in self._exact or name.startswith(self._prefixes):
            return True
        return any(_fits(name, pieces) for pieces in self._globs)


def _fits(name: str, pieces: tuple[str, ...]) -> bool:
    """Match one glob, split at its stars.

    First and last piece are anchored, the others found in turn.
    """
    first, *middle, last = pieces
    if not name.startswith(first) or len(name) < len(first) + len(last) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
