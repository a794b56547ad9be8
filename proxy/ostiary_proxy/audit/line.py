"""One line of the log: its bytes, and how they are read back. Pure.

    {"hash":"<64 hex>","body":{…},"detached":{"arguments":["<salt>",…],"personal":["<salt>",…]}}

`hash` is the SHA-256 of the bytes of `body` as they stand. `body` holds `previous`, the hash of the
line before, and under `commitments` the SHA-256 of salt ‖ value bytes of each detached value, so
that a detached value, or all of them, can be erased from a line without breaking the chain.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["GENESIS", "Detached", "Line", "Malformed", "compose", "parse"]

GENESIS: Final = "0" * 64
"""The `previous` of a log's first record."""

_HEAD: Final = '{"hash":"'
_BODY: Final = '","body":'
_DETACHED: Final = ',"detached":{'
_NAMES: Final = ("arguments", "personal")
_MEMBERS: Final = frozenset(
    ["at", "boot", "commitments", "equal", "facts", "gateway", "id", "kind", "previous", "sequence"]
)


class Malformed(ValueError):  # noqa: N818 - a statement
    """The line does not have the form that every line has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """A value behind a commitment: `salt` (32 bytes) and the value's JSON `text`."""

    salt: bytes
    text: str

    @property
    def commitment(self) -> str:
        """Return the hex SHA-256 that the body holds in place of the value."""
        return hashlib.sha256(self.salt + self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as it was read; nothing is checked but its form."""

    hash: str
    body_text: str
    body: Mapping[str, Any]
    detached: Mapping[str, Detached]

    @property
    def own_hash(self) -> str:
        """Return what `hash` must be."""
        return hashlib.sha256(self.body_text.encode()).hexdigest()

    def value(self, name: str) -> Any:
        """Return a detached value, None where there is none or it was erased."""
        return json.loads(self.detached[name].text) if name in self.detached else None


def compose(body_text: str, detached: Mapping[str, Detached]) -> tuple[bytes, str]:
    """Return the line, newline included, over a canonical ASCII `body_text`, and its hash."""
    digest = hashlib.sha256(body_text.encode()).hexdigest()
    parts = [_HEAD, digest, _BODY, body_text]
    if detached:
        values = (
            f'"{name}":["{detached[name].salt.hex()}",{detached[name].text}]'
            for name in _NAMES
            if name in detached
        )
        parts += [_DETACHED, ",".join(values), "}"]
    parts.append("}\n")
    return "".join(parts).encode(), digest


def parse(raw: bytes) -> Line:
    """Return the line in `raw`, with or without its newline; raises Malformed.

    Whatever a writer would not have written byte by byte is malformed: other spacing, order or
    members. What stands inside the body and the values is for the hashes to protect.
    """
    try:
        text = raw.removesuffix(b"\n").decode("ascii")
        return _read(text)
    except (UnicodeDecodeError, ValueError, IndexError, RecursionError):
        raise Malformed("this is not a line of an audit log") from None


def _read(text: str) -> Line:
    end = len(_HEAD) + 64
    digest = text[len(_HEAD) : end]
    if not text.startswith(_HEAD) or not text.startswith(_BODY, end) or not _is_hex(digest):
        raise Malformed("head")
    start = end + len(_BODY)
    body, end = _DECODER.raw_decode(text, start)
    if not isinstance(body, dict) or set(body) != _MEMBERS:
        raise Malformed("body")
    detached, rest = _read_detached(text, end)
    if text[rest:] != "}":
        raise Malformed("end")
    return Line(hash=digest, body_text=text[start:end], body=body, detached=detached)


def _read_detached(text: str, at: int) -> tuple[Mapping[str, Detached], int]:
    """Return the detached values that begin at `at`, and where they end; both may be erased."""
    found: dict[str, Detached] = {}
    if not text.startswith(_DETACHED, at):
        return found, at
    at += len(_DETACHED)
    for name in _NAMES:
        opening = f'{"," if found else ""}"{name}":["'
        if not text.startswith(opening, at):
            continue
        at += len(opening)
        salt = text[at : at + 64]
        if not _is_hex(salt) or not text.startswith('",', at + 64):
            raise Malformed("salt")
        _, end = _DECODER.raw_decode(text, at + 66)
        found[name] = Detached(salt=bytes.fromhex(salt), text=text[at + 66 : end])
        if text[end : end + 1] != "]":
            raise Malformed("detached")
        at = end + 1
    if text[at : at + 1] != "}":
        raise Malformed("detached")
    return found, at + 1


def _is_hex(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


_DECODER: Final = json.JSONDecoder()
