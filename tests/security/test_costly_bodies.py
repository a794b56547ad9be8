"""Pitfall 16: a body costs no more than reading it once, whatever is in it; all others wait."""

import secrets
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

import pytest

from mcp_parts import ALLOW_ALL, ALLOW_SERVER, body, world
from ostiary_proxy.audit.arguments import redact
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Response
from task_parts import EXTENDED

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
    "many numbers": (b"[" + b"1.5," * _SIZE + b"1]", b"more than 250000 values"),
    "many objects": (b"[" + b"{}," * _SIZE + b"1]", b"more than 250000 values"),
    "many members": (
        b"{" + b"".join(b'"%d":1,' % n for n in range(250_000)) + b'"a":1}',
        b"more than 250000 values",
    ),
    "one key of many twice": (b"{" + _MEMBERS + b'"a":1,"a":1}', b"the key 'a' twice"),
}  # fmt: skip


_REDACT: Final = """
from ostiary.policy.redact import compile_redaction, redact_arguments
from ostiary.policy.rule import Redact
rule, _ = compile_redaction(Redact.model_validate({"in": "Arguments", "pattern": "[0-9]+"}), "")
print(len(redact_arguments({str(number): 1 for number in range(100_000)}, [rule])))
"""


def said(script: str, given: bytes = b"") -> bytes:
    """Return what a process says that runs `script`; one that takes too long is ended."""
    return subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, timeout=_PATIENCE,
        check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_a_body_is_refused_as_soon_as_it_was_read(name: str) -> None:
    whole, why = COSTLY[name]

    assert why in said(_READ, whole)


def test_commas_and_brackets_of_a_text_are_no_values() -> None:
    text = "1,2[3]{4}" * 300_000

    message = read_message(b'{"jsonrpc":"2.0","id":1,"result":{"t":"%b"}}' % text.encode())

    assert message == Response(id=1, result={"t": text})


def test_very_many_names_that_are_redacted_alike_stay_apart() -> None:
    assert said(_REDACT) == b"100000\n"


def test_a_long_name_of_an_argument_is_not_remembered() -> None:
    name = secrets.token_urlsafe(100)
    holders = sys.getrefcount(name)

    redact({name: 1})

    assert sys.getrefcount(name) == holders


MANY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "resources to hear of": (
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": [f"a:{n}" for n in range(1001)]}},
    ),
    "tasks to hear of": (
        "subscriptions/listen", {"notifications": {"taskIds": [f"{n}" for n in range(1001)]}},
    ),
    "answers": (
        "tools/call",
        {"name": "a", "inputResponses": {f"{n}": {"action": "accept"} for n in range(65)}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
async def test_a_request_that_names_more_than_anybody_needs_is_refused(name: str) -> None:
    method, params = MANY[name]
    w = world(None, ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern(method, params, meta=EXTENDED)

    assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (400, -32602, [])
    assert "at most" in body(answer)["error"]["message"]
