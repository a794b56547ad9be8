"""Requests whose end is in doubt, or never comes, at a running gateway.

Each is refused with its reason and a record; nothing reaches the MCP server, the next call passes.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_parts import Answer, Gateway, until
from hostile_parts import RawServer, call, lines_of, modern, peak, refusal, send

GOOD = json.dumps(modern(path="a.txt"))
HUGE = 100 * 1024 * 1024
PIECE = b" " * 65536
RULES = """
    - {name: eng, effect: Allow, who: {groups: [eng]}}
    - name: secrets-stay
      effect: Deny
      match: {tools: [read_file]}
      condition: path(args.path).startsWith("secrets/")
"""


@pytest.fixture(autouse=True)
def harmless(gateway: Gateway, upstream: RawServer, issued: str) -> Iterator[None]:
    """Nothing of a test reaches upstream, and the next good call passes."""
    upstream.bodies.clear()
    yield
    assert upstream.bodies == []
    assert call(gateway, issued).json()["result"]["content"][0]["text"] == "fine"


def test_what_reaches_no_route_is_recorded_without_a_name(gateway: Gateway) -> None:
    garbage = send(gateway, ("Content-Length: 1", "Content-Length: 2"))
    foreign = send(gateway, ("Host: evil.example", "Content-Length: 0"))
    until(lambda: len(strangers(gateway)) >= 2)

    assert (garbage.status, foreign.status) == (400, 404)
    assert [facts["code"] for facts in strangers(gateway)] == ["InvalidHttp", "UnknownRoute"]


def strangers(gateway: Gateway) -> list[dict[str, Any]]:
    codes = ("InvalidHttp", "UnknownRoute")
    return [r["facts"] for r in gateway.records() if r["facts"].get("code") in codes]


def test_a_path_around_a_rule_is_refused(gateway: Gateway, issued: str) -> None:
    message = json.dumps(modern(path="x/../secrets/key")).encode()

    answer = send(gateway, lines_of(issued, f"Content-Length: {len(message)}"), message)

    told(gateway, answer, 200, "Denied", 7)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_without_end_is_refused_and_not_kept(
    gateway: Gateway, issued: str, chunked: bool
) -> None:
    pid = json.loads((gateway.state / "proxy-ready.json").read_text())["pid"]
    before = peak(pid, reset=True)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {HUGE}"
    piece = b"10000\r\n" + PIECE + b"\r\n" if chunked else PIECE

    answer = send(
        gateway,
        lines_of(issued, framing),
        (piece for _ in range(HUGE // len(PIECE))),
    )

    told(gateway, answer, 413, "TooLarge", None)
    assert peak(pid) - before < 32 * 1024


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: {}", "Content-Length: 0"),
        ("Content-Length: {}, {}",),
        ("Content-Length: +{}",),
        ("Content-Length: {}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: {}", "X-A: b\rContent-Length: 0"),
        ("Content-Length: {}", " folded: yes"),
    ],
)  # fmt: skip
def test_a_body_whose_end_is_in_doubt_is_refused(
    gateway: Gateway, issued: str, framing: tuple[str, ...]
) -> None:
    lines = (line.format(len(GOOD), len(GOOD)) for line in framing)

    answer = send(gateway, lines_of(issued, *lines), GOOD.encode())

    assert answer.status == 400
    assert b"the request is not valid HTTP" in answer.body


def told(gateway: Gateway, answer: Answer, status: int, code: str, request_id: Any) -> None:
    """Check the answer, the record under its decision id, and that it tells nothing of ours."""
    assert (answer.status, answer.json().get("id")) == (status, request_id)
    assert "Traceback" not in answer.body.decode()
    assert answer.json()["error"]["message"].endswith(f"#{code.lower()}")
    assert (refusal(gateway, answer)["decision"], refusal(gateway, answer)["code"]) == (
        "deny",
        code,
    )
