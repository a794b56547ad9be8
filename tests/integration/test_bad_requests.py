"""Requests that could be read in two ways, or never end, at a running gateway.

Each is refused with its reason and a record; nothing reaches the MCP server, the next call passes.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
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
BODIES: Mapping[str, tuple[str | bytes, int, str, int | None]] = {
    "a batch": (f"[{GOOD}]", 400, "InvalidRequest", None),
    "a byte order mark": ("\ufeff" + GOOD, 400, "ParseError", None),
    "utf-16": (GOOD.encode("utf-16"), 400, "ParseError", None),
    "not a number": (GOOD.replace('"a.txt"', "NaN"), 400, "ParseError", None),
    "a duplicate key": (GOOD.replace('"a.txt"', '1, "path": 2'), 400, "ParseError", None),
    "an odd-case key": (
        GOOD.replace('"name"', '"Name": "delete_file", "name"'), 400, "InvalidRequest", 7,
    ),
    "10,000-deep nesting": (
        GOOD.replace('"a.txt"', "[" * 10_000 + "]" * 10_000), 400, "ParseError", None,
    ),
    "a cut-off message": (GOOD[:-1], 400, "ParseError", None),
    "nothing": ("", 400, "ParseError", None),
    "compressed": (gzip.compress(GOOD.encode()), 415, "UnsupportedMediaType", None),
    "a path around a rule": (
        json.dumps(modern(path="x/../secrets/key")), 200, "Denied", 7,
    ),
}  # fmt: skip
MISMATCHES = {
    "another method": {"Mcp_Method": "tools/list"},
    "another name": {"Mcp_Name": "delete_file"},
    "another version": {"MCP_Protocol_Version": "2025-11-25"},
}


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


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_can_be_read_in_two_ways_is_refused(
    gateway: Gateway, issued: str, name: str
) -> None:
    body, status, code, request_id = BODIES[name]
    encoded = ("Content-Encoding: gzip",) if name == "compressed" else ()

    answer = sent(gateway, issued, body, *encoded)

    told(gateway, answer, status, code, request_id)


@pytest.mark.parametrize("name", MISMATCHES)
def test_headers_that_say_otherwise_than_the_body_are_refused(
    gateway: Gateway, issued: str, name: str
) -> None:
    answer = call(gateway, issued, **MISMATCHES[name])

    told(gateway, answer, 400, "HeaderMismatch", 7)


def test_a_mirrored_header_that_stands_twice_is_refused(gateway: Gateway, issued: str) -> None:
    answer = sent(gateway, issued, GOOD, "Mcp-Name: read_file")

    told(gateway, answer, 400, "HeaderMismatch", 7)


def test_two_authorization_headers_are_refused(gateway: Gateway, issued: str) -> None:
    answer = sent(gateway, issued, GOOD, f"Authorization: Bearer {issued}")

    told(gateway, answer, 400, "RepeatedHeader", None)


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


def sent(gateway: Gateway, issued: str, body: str | bytes, *more: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return send(gateway, lines_of(issued, *more, f"Content-Length: {len(data)}"), data)


def told(gateway: Gateway, answer: Answer, status: int, code: str, request_id: Any) -> None:
    """Check the answer, the record under its decision id, and that it tells nothing of ours."""
    assert (answer.status, answer.json().get("id")) == (status, request_id)
    assert "Traceback" not in answer.body.decode()
    assert answer.json()["error"]["message"].endswith(f"#{code.lower()}")
    assert (refusal(gateway, answer)["decision"], refusal(gateway, answer)["code"]) == (
        "deny",
        code,
    )
