"""What of a call's arguments is written down: everything, a harmless extract, or a digest.

Redacted, the default, keeps structure, member names, numbers, booleans and short text; text longer
than 64 characters, whatever looks like a secret, and every value of a member whose name says
"secret" is replaced by a note of what stood there; long lists and deep nesting are cut with a note.
Digest writes a keyed hash: equal arguments can be found, guessed ones can't be tried out.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.text import ascii_json, escape, looks_secret

__all__ = ["LONGEST_TEXT", "Mode", "as_written", "redact"]

Mode = Literal["Redacted", "Full", "Digest"]

LONGEST_TEXT: Final = 64
_MOST: Final = 32
_DEEPEST: Final = 8
_NAMES: Final = re.compile(
    r"pass(?:word|wd|phrase|code)|secret|token|cookie|credential|authori[sz]ation|bearer"
    r"|(?:api|access|private|signing|encryption|ssh)[-_ ]?key|^key$|^auth$|^pin$|^otp$|^pwd$"
    r"|session[-_ ]?id|signature|card[-_ ]?number|^cvv$|^ssn$|^iban$",
    re.IGNORECASE,
)


def as_written(arguments: Json, mode: Mode, keyed_hash: Callable[[str], str]) -> str:
    """Return the canonical JSON text that the record commits to.

    `keyed_hash` turns the canonical text into a token that nobody without the key can compute.
    """
    if mode == "Full":
        return ascii_json(arguments)
    if mode == "Redacted":
        return ascii_json(redact(arguments))
    text = ascii_json(arguments)
    return ascii_json({"bytes": len(text), "digest": keyed_hash(text)})


def redact(value: Json, *, depth: int = 0) -> Json:
    """Return `value` with its structure kept and what may be confidential replaced by notes."""
    if isinstance(value, str):
        return _redact_text(value)
    if isinstance(value, dict):
        return {"[note]": "[nested deeper]"} if depth >= _DEEPEST else _redact_object(value, depth)
    if isinstance(value, list):
        return ["[nested deeper]"] if depth >= _DEEPEST else _redact_list(value, depth)
    return value


def _redact_text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"[text of {len(text)} characters]"
    return f"[secret of {len(text)} characters]" if looks_secret(text) else escape(text)


def _redact_name(name: str) -> tuple[str, bool]:
    """Return the member name as shown, and whether it says that its value is a secret."""
    return _redact_text(name), _NAMES.search(name) is not None


_redact_known_name: Final = lru_cache(maxsize=2048)(_redact_name)
"""The same, remembered: for short names, which recur."""


def _redact_object(value: dict[str, Json], depth: int) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for name, item in list(value.items())[:_MOST]:
        read = _redact_known_name if len(name) <= LONGEST_TEXT else _redact_name
        shown, secret = read(name)
        hidden = secret and item is not None and not isinstance(item, bool)
        kept[shown] = "[secret]" if hidden else redact(item, depth=depth + 1)
    if len(value) > _MOST:
        kept["[note]"] = f"[{len(value) - _MOST} more members]"
    return kept


def _redact_list(value: list[Json], depth: int) -> list[Json]:
    kept = [redact(item, depth=depth + 1) for item in value[:_MOST]]
    return kept if len(value) <= _MOST else [*kept, f"[{len(value) - _MOST} more items]"]
