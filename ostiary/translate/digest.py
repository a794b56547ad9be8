"""The digest of a plain value: equal exactly where the value is."""

import hashlib
from typing import Any

from ostiary.decode.json_text import canonical_json

__all__ = ["digest_of"]


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"
