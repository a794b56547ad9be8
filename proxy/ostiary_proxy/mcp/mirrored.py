"""Values of the body that 2026-07-28 repeats in headers, in their form there (rules 11, 12)."""

import base64
import binascii
import re
from typing import Final

__all__ = ["BadMirror", "decode_mirror", "encode_mirror"]

_PREFIX: Final = "=?base64?"
_SUFFIX: Final = "?="
_PLAIN: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?")


class BadMirror(ValueError):  # noqa: N818 - a statement
    """The header claims to be base64 and is not."""


def decode_mirror(value: str) -> str:
    """Return what a mirrored header says; raises BadMirror.

    Surrounding blanks do not count (rule 13); prefix or suffix alone is literal.
    """
    value = value.strip(" \t")
    if not (value.startswith(_PREFIX) and value.endswith(_SUFFIX)) or len(value) < len(
        _PREFIX
    ) + len(_SUFFIX):
        return value
    inner = value[len(_PREFIX) : -len(_SUFFIX)]
    try:
        return base64.b64decode(inner, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise BadMirror("the base64 form of a header is broken") from None


def encode_mirror(value: str) -> str:
    """Return `value` for a header: as it is where that is safe and unmistakable, else in base64."""
    plain = _PLAIN.fullmatch(value) is not None
    if plain and not (value.startswith(_PREFIX) and value.endswith(_SUFFIX)):
        return value
    return f"{_PREFIX}{base64.b64encode(value.encode()).decode()}{_SUFFIX}"
