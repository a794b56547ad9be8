"""Which URIs and paths two programs may read as two different ones: we the one, a server the other.

What is ambiguous is unknown to rules: no Allow takes it, and a Deny does.
"""

import re
from typing import Final
from unicodedata import is_normalized

__all__ = ["is_ambiguous_path", "is_ambiguous_uri"]

_DOTS: Final = r"(?:^|[/\\:?#])\.{1,2}(?:[/\\?#;]|$)"
_URI: Final = re.compile(
    _DOTS
    + r"|[\\\x00-\x20\x7f]|%(?:25)*(?:2f|5c|[01][0-9a-f])"
    + r"|%(?:25)*(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])",
    re.IGNORECASE,
)
"""Dot segments, backslashes, spaces and control characters (some parsers drop tabs), encoded
separators, and what is encoded without need, which parsers may decode (RFC 3986, 6.2.2.2)."""
_CASE: Final = re.compile(
    r"[a-z0-9+.-]*[A-Z][A-Za-z0-9+.-]*:"
    r"|(?:[a-z0-9.-]+\+)?(?:https?|wss?|ftp):(?!//[^/?#@A-Z]+(?:[/?#]|$))"
)
"""Parsers lower the scheme. Of web addresses they lower the host too, drop the user's name, and
mend slashes. Of several servers behind one URL the one that is named stands before the scheme."""
_PATH: Final = re.compile(
    _DOTS + r"|[\\\x00-\x1f\x7f]|%[0-9a-f]{2}|(?<!:)//|(?:^|/)\s|\s(?:/|$)", re.IGNORECASE
)
"""Dot segments, backslashes, control characters, whatever is percent-encoded, empty segments, and
spaces around a segment."""

_LONGEST: Final = 8192
"""No program takes a longer name for sure, and looking through one would take a while."""


def is_ambiguous_uri(text: str) -> bool:
    """Say whether parsers of URIs may differ on what `text` names."""
    return len(text) > _LONGEST or bool(_URI.search(text) or _CASE.match(text))


def is_ambiguous_path(text: str) -> bool:
    """Say whether programs may differ on which file, folder or the like `text` names."""
    return len(text) > _LONGEST or bool(_PATH.search(text)) or not is_normalized("NFKC", text)
