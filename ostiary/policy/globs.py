"""Names as people list them: exact, or with `*` for any run of characters, `/` and none included.

Names compare raw and case-sensitive. Matching takes linear time: pieces are searched left to right,
no backtracking.
"""

from collections.abc import Callable, Iterable

__all__ = ["Names"]


class Names:
    """A compiled list of names and globs; an empty list matches nothing.

    `match` says whether a name is one of them.
    """

    __slots__ = ("_exact", "_globs", "_prefixes", "empty", "match")

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = tuple(patterns)
        self.empty = not listed
        self._exact = frozenset(text for text in listed if "*" not in text)
        globs = [text.split("*") for text in listed if "*" in text]
        self._prefixes = tuple(pieces[0] for pieces in globs if len(pieces) == 2 and not pieces[1])
        self._globs = tuple(tuple(pieces) for pieces in globs if len(pieces) > 2 or pieces[1])
        self.match: Callable[[str], bool] = self._exact.__contains__ if not globs else self._match

    def _match(self, name: str) -> bool:
        if name in self._exact or name.startswith(self._prefixes):
            return True
        return any(_fits(name, pieces) for pieces in self._globs) if self._globs else False

    def match_any(self, names: frozenset[str]) -> bool:
        """Say whether one of `names` is among them."""
        if not self._exact.isdisjoint(names):
            return True
        globs = self._prefixes or self._globs
        return any(self._match(name) for name in names) if globs else False


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
