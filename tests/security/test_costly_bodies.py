"""Pitfall 16: a body costs no more than reading it once, whatever is in it; all others wait."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import pytest

_SIZE: Final = 2 * 1024 * 1024
_READ: Final = """
import sys
from ostiary_proxy.mcp.envelope import Misread, read_message
try:
    read_message(sys.stdin.buffer.read())
except Misread as misread:
    print(misread)
"""
_PATIENCE: Final = 60.0
"""Seconds, where the answer takes less than one and what was costly once took hours."""
_MEMBERS: Final = b"".join(b'"%d":1,' % number for number in range(_SIZE // 12))
COSTLY: Mapping[str, tuple[bytes, bytes]] = {
    "quotes in a string without end": (
        b"[" + b"[]," * 200 + b'"' + b'\\"' * _SIZE, b"Unterminated string",
    ),
    "a backslash at its end": (
        b"[" + b"[]," * 200 + b'"' + b'\\"' * _SIZE + b"\\", b"Unterminated string",
    ),
    "one key of many twice": (b"{" + _MEMBERS + b'"a":1,"a":1}', b"the key 'a' twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_a_body_is_refused_as_soon_as_it_was_read(name: str) -> None:
    body, why = COSTLY[name]

    read = subprocess.run(
        [sys.executable, "-c", _READ], input=body, capture_output=True, timeout=_PATIENCE,
        check=True,
    )  # fmt: skip

    assert why in read.stdout
