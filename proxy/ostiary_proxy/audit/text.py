r"""How values become text in the log: canonical ASCII JSON, capped and escaped, without secrets.

Strings come from strangers (tool names, client names, headers). What would steer a terminal, turn
the reading direction or split a line is written as `\u{202e}`; what looks like a secret is masked.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from ostiary.decode.json_text import canonical_json
from ostiary.decode.strict_json import Json

__all__ = ["LONGEST", "ascii_json", "escape", "looks_secret", "tidy", "tidy_json"]

LONGEST: Final = 512
"""Characters of a name or fact that are kept."""

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_BEYOND_ASCII: Final = re.compile("[^\x20-\x7e]")
_HINTS: Final = (
    "eyJ", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "sk-", "xox", "AKIA",
    "-----BEGIN", "earer ", "=",
)  # fmt: skip
_SECRET: Final = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*"  # JWT, JWE
    r"|\bgh[opsur]_\w{16,}|\bgithub_pat_\w{16,}"
    r"|\bsk-[\w-]{16,}|\bxox[a-z]-[\w-]{8,}|\bAKIA[0-9A-Z]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?"
    r"|(?<=[Bb]earer )[\w.~+/=-]{8,}"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"  # user:password@ in a URL
    r"|(?i:(?<=token=)|(?<=secret=)|(?<=password=)|(?<=passwd=)|(?<=api_key=)|(?<=apikey=)"
    r"|(?<=code=)|(?<=assertion=)|(?<=signature=)|(?<=sig=)|(?<=state=)|(?<=key=))[^&\s\"';,]+"
)
_MASK: Final = "[masked]"


def ascii_json(value: object) -> str:
    """Return canonical JSON (members sorted by key, compact) with all but printable ASCII escaped.

    Number lexemes are kept. Raises TypeError for what JSON can't hold.
    """
    text = canonical_json(value).decode()
    return text if text.isascii() and "\x7f" not in text else _BEYOND_ASCII.sub(_json_escape, text)


def tidy_json(value: object) -> str:
    """Return `ascii_json(tidy(value))`, fast where nothing needs tidying, as nearly always."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        return ascii_json(tidy(value))
    return text if _is_tidy(text) else ascii_json(tidy(value))


def looks_secret(text: str) -> bool:
    """Say whether `text` holds something shaped like a token, key or password."""
    return _may_be_secret(text) and _SECRET.search(text) is not None


def tidy(value: object) -> Json:
    """Return `value` as plain JSON whose strings, keys too, are masked, escaped and capped."""
    if isinstance(value, str):
        return _tidy_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_tidy_text(str(key)): tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [tidy(item) for item in value]
    raise TypeError(f"{type(value).__name__} can't stand in an audit record")


def escape(text: str, longest: int = LONGEST) -> str:
    """Return `text` cut to `longest` characters, with unprintable ones and backslashes escaped."""
    kept = text if len(text) <= longest else f"{text[:longest]}[{len(text) - longest} more]"
    if kept.isprintable() and "\\" not in kept:
        return kept
    return "".join(_visible(character) for character in kept)


def _is_tidy(text: str) -> bool:
    """Say of a whole JSON text what `tidy` would find out string by string."""
    return (
        "\\" not in text  # nothing but printable ASCII
        and "\x7f" not in text
        and not _may_be_secret(text)
        and _is_short(text)
    )


def _is_short(text: str) -> bool:
    """Say whether no string in a JSON text is longer than LONGEST, hopping from quote to quote."""
    at = 0
    while len(text) - at > LONGEST:
        quote = text.rfind('"', at, at + LONGEST + 1)
        if quote < 0:
            return False
        at = quote + 1
    return True


def _may_be_secret(text: str) -> bool:
    """Say whether the slow search is worth it."""
    for hint in _HINTS:  # any() would cost more than all the searching
        if hint in text:
            return True
    return "@" in text and "://" in text


def _tidy_text(text: str) -> str:
    if _may_be_secret(text):
        text = _SECRET.sub(_MASK, text)
    if len(text) <= LONGEST and text.isprintable() and "\\" not in text:
        return text
    return escape(text)


def _visible(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _json_escape(match: re.Match[str]) -> str:
    """Return one character as JSON escapes, a surrogate pair beyond the basic plane."""
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"
