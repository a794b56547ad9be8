"""Pitfalls d8 to d15 from a client's side, in both eras: each attempt has its answer and a record.

Nothing of it reaches the server, the next good call passes, and others' calls go on meanwhile.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway_parts import Answer, Gateway, until
from hostile_parts import META, MIRRORED, TYPED, RawServer, refusal, send
from hostile_peer_parts import (
    ERAS,
    GOOD,
    TOOLS,
    Caller,
    Era,
    behaving,
    callers,
    messages,
    nothing,
    others_go_on,
)

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
BOTH = [Era(client=ERAS[name].client, server="both") for name in ("2025", "2026")]
MARKED = {
    "name": "mine",
    "inputSchema": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
}
DEEP = "[" * 10_000 + "]" * 10_000


class Meeting:
    """People of one era; the tool `mine` is alice's alone."""

    def __init__(self, gateway: Gateway, upstream: RawServer, people: Mapping[str, Caller]) -> None:
        self.gateway, self.upstream = gateway, upstream
        self.alice, self.carol = people["alice"], people["carol"]

    def lines(self) -> list[str]:
        """Return the header lines of a good call of alice's, without its length."""
        own = [f"Authorization: Bearer {self.alice.issued}"]
        if self.alice.modern:
            mirrored = {**MIRRORED, "Mcp-Name": "mine"}
            return [*TYPED, *own, *(f"{name}: {value}" for name, value in mirrored.items())]
        return [*TYPED, *own, f"Mcp-Session-Id: {self.alice.session}"]

    def message(self, **arguments: Any) -> dict[str, Any]:
        """Return a good call of alice's."""
        params: dict[str, Any] = {"name": "mine", "arguments": {"path": "a.txt", **arguments}}
        if self.alice.modern:
            params["_meta"] = META
        return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}

    def sends(self, body: Any, *more: str, lines: list[str] | None = None) -> Answer:
        """Send a request of alice's, while carol calls."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        top = [*(self.lines() if lines is None else lines), *more, f"Content-Length: {len(data)}"]
        with others_go_on(self.carol):
            return send(self.gateway, top, data)

    def is_told(self, answer: Answer, status: int, code: str, request_id: Any = 7) -> None:
        """Check the answer, its record, and that the server heard nothing of it."""
        assert (answer.status, answer.json().get("id")) == (status, request_id)
        assert answer.json()["error"]["message"].endswith(f"#{code.lower()}")
        record = refusal(self.gateway, answer)
        assert (record["decision"], record["code"]) == ("deny", code)
        assert not any(b"mine" in body for body in self.upstream.bodies)


@pytest.fixture(scope="module")
def people(gateway: Gateway, upstream: RawServer) -> Mapping[str, Mapping[str, Caller]]:
    issued = {who: gateway.log_in(username=who) for who in ("alice", "carol")}
    upstream.behave = behaving(
        BOTH[0], nothing, results={"tools/list": {**TOOLS, "tools": [MARKED]}}
    )
    return {era.client: callers(gateway, era, issued) for era in BOTH}


@pytest.fixture(params=[era.client for era in BOTH])
def meeting(
    request: pytest.FixtureRequest,
    gateway: Gateway,
    upstream: RawServer,
    people: Mapping[str, Mapping[str, Caller]],
) -> Iterator[Meeting]:
    upstream.bodies.clear()
    upstream.heads.clear()
    own = Meeting(gateway, upstream, people[request.param])
    yield own
    assert messages(own.alice.call("mine", 8))[-1]["result"]["content"] == GOOD["content"]


ONLY_2025 = pytest.mark.parametrize("meeting", ["2025-11-25"], indirect=True)
ONLY_2026 = pytest.mark.parametrize("meeting", ["2026-07-28"], indirect=True)
PARSE, REQUEST, PARAMS = "ParseError", "InvalidRequest", "InvalidParams"
SWAPS: Mapping[str, tuple[str, str, str, int | None]] = {
    "not a number": ('"a.txt"', "NaN", PARSE, None),
    "infinity": ('"a.txt"', "-Infinity", PARSE, None),
    "a duplicate key deep down": ('"a.txt"', '{"b": 1, "b": 2}', PARSE, None),
    "10,000-deep nesting": ('"a.txt"', DEEP, PARSE, None),
    "half a surrogate in a key": ('"path"', '"\\ud800"', PARSE, None),
    "a duplicate method": ('"method"', '"method": "ping", "method"', PARSE, None),
    "an odd-case key": ('"method"', '"Method": "ping", "method"', REQUEST, 7),
    "an odd-case name": ('"name"', '"NAME": "good", "name"', REQUEST, 7),
    "a long s": ('"params"', '"param\u017f": {}, "params"', REQUEST, 7),
    "a nul in a key": ('"method"', '"method\\u0000": "ping", "method"', REQUEST, 7),
    "null for an id": ('"id": 7', '"id": null', REQUEST, None),
    "an id with a point": ('"id": 7', '"id": 1.5', REQUEST, None),
    "an id beyond a double": ('"id": 7', '"id": 9007199254740993', REQUEST, None),
    "an id that is true": ('"id": 7', '"id": true', REQUEST, None),
    "an id that is a list": ('"id": 7', '"id": [7]', REQUEST, None),
    "no version": ('"jsonrpc": "2.0"', '"jsonrpc": "1.0"', REQUEST, 7),
    "a method and a result": ('"method"', '"result": {}, "method"', REQUEST, 7),
    "a method that is no text": ('"tools/call"', "7", REQUEST, 7),
    "arguments in a list": ('{"path": "a.txt"}', '["a.txt"]', PARAMS, 7),
}


@pytest.mark.parametrize("name", SWAPS)
def test_a_call_that_can_be_read_in_two_ways_is_refused(meeting: Meeting, name: str) -> None:
    old, new, code, request_id = SWAPS[name]
    good = json.dumps(meeting.message())

    answer = meeting.sends(good.replace(old, new, 1).encode())

    meeting.is_told(answer, 400, code, request_id)


WHOLE: Mapping[str, tuple[Any, str]] = {
    "nothing": (lambda _: b"", PARSE),
    "half of it": (lambda good: good[:-9], PARSE),
    "two of it": (lambda good: good * 2, PARSE),
    "a byte order mark": (lambda good: b"\xef\xbb\xbf" + good, PARSE),
    "utf-16": (lambda good: good.decode().encode("utf-16"), PARSE),
    "no utf-8": (lambda good: good.replace(b"a.txt", b"\xff"), PARSE),
    "an array": (lambda good: b"[" + good + b"]", REQUEST),
    "a text": (lambda _: b'"mine"', REQUEST),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_body_that_is_no_message_is_refused(meeting: Meeting, name: str) -> None:
    change, code = WHOLE[name]

    answer = meeting.sends(change(json.dumps(meeting.message()).encode()))

    meeting.is_told(answer, 400, code, None)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x-gzip"])
def test_an_encoded_body_is_refused(meeting: Meeting, encoding: str) -> None:
    body = gzip.compress(json.dumps(meeting.message()).encode())

    answer = meeting.sends(body, f"Content-Encoding: {encoding}")

    meeting.is_told(answer, 415, "UnsupportedMediaType", None)


TWICE = (
    "Authorization: Bearer x", "Origin: http://localhost", "Mcp-Session-Id: x", "Last-Event-ID: x",
    "Content-Encoding: identity",
)  # fmt: skip


@pytest.mark.parametrize("line", TWICE)
def test_a_header_that_decides_stands_once(meeting: Meeting, line: str) -> None:
    name = line.partition(":")[0]
    lines = [one for one in meeting.lines() if not one.startswith(name)]

    answer = meeting.sends(meeting.message(), line, line, lines=lines)

    assert (answer.status, answer.json().get("id")) == (400, None)
    assert answer.json()["error"]["message"].endswith("#repeatedheader")
    assert not any(b"mine" in body for body in meeting.upstream.bodies)
    # Nobody is known yet: of many such refusals the log counts most.
    until(lambda: "RepeatedHeader" in {r["facts"].get("code") for r in meeting.gateway.records()})


EVIL_HEADERS = (
    "Cookie: evil=1", "X-Forwarded-For: 10.0.0.1, evil", "X-Forwarded-Host: evil.example",
    "Forwarded: for=evil", "X-Real-IP: evil", "X-Forwarded-User: evil", "X-Remote-User: evil",
    "Proxy-Authorization: Basic evil", "X-Evil: evil", "Last-Event-ID: evil", "TE: evil",
    "Connection: X-Evil", "Mcp-Evil: evil",
)  # fmt: skip


def test_no_header_of_a_client_crosses_but_those_of_mcp(meeting: Meeting) -> None:
    answer = meeting.sends(meeting.message(), *EVIL_HEADERS)

    assert messages(answer)[-1]["result"]["content"] == GOOD["content"]
    bodies = meeting.upstream.bodies
    (at,) = (number for number, body in enumerate(bodies) if b"mine" in body)
    assert "evil" not in meeting.upstream.heads[at].lower()
    assert meeting.alice.issued not in meeting.upstream.heads[at]


OF_SESSIONS: Mapping[str, tuple[Any, int, str]] = {
    "none": (lambda _: [], 400, "SessionRequired"),
    "made up": (lambda _: ["Mcp-Session-Id: made-up"], 404, "UnknownSession"),
    "the server's own": (lambda _: ["Mcp-Session-Id: up-1"], 404, "UnknownSession"),
    "another's": (lambda m: [f"Mcp-Session-Id: {m.carol.session}"], 404, "UnknownSession"),
    "of another revision": (
        lambda m: [f"Mcp-Session-Id: {m.alice.session}", "MCP-Protocol-Version: 2025-03-26"],
        400,
        REQUEST,
    ),
    "of no revision": (
        lambda m: [f"Mcp-Session-Id: {m.alice.session}", "MCP-Protocol-Version: bogus"],
        400,
        REQUEST,
    ),
    "beside the header of 2026": (
        lambda m: [f"Mcp-Session-Id: {m.alice.session}", "MCP-Protocol-Version: 2026-07-28"],
        400,
        PARAMS,
    ),
}


@ONLY_2025
@pytest.mark.parametrize("name", OF_SESSIONS)
def test_a_session_that_is_not_ones_own_opens_nothing(meeting: Meeting, name: str) -> None:
    own, status, code = OF_SESSIONS[name]
    lines = [one for one in meeting.lines() if not one.startswith("Mcp-Session-Id")]

    answer = meeting.sends(meeting.message(), *own(meeting), lines=lines)

    meeting.is_told(answer, status, code)


@ONLY_2025
def test_a_body_of_2026_in_a_session_is_held_to_2026(meeting: Meeting) -> None:
    message = meeting.message()
    message["params"]["_meta"] = META

    meeting.is_told(meeting.sends(message), 400, "HeaderMismatch")


ANSWERS: Mapping[str, Any] = {
    "to nothing": {"jsonrpc": "2.0", "id": 99, "result": {"mine": 1}},
    "to a call of one's own": {"jsonrpc": "2.0", "id": 7, "result": {"mine": 1}},
    "to nobody": {"jsonrpc": "2.0", "error": {"code": -32603, "message": "mine"}},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_nobody_waits_for_is_refused(meeting: Meeting, name: str) -> None:
    answer = meeting.sends(ANSWERS[name])

    assert (answer.status, answer.body) == (400, b"") or answer.json()["error"]["code"] == -32600
    assert not any(b"mine" in body for body in meeting.upstream.bodies)
    last = [r["facts"] for r in meeting.gateway.records() if r["kind"] == "refusal"][-1]
    assert last["code"] == "InvalidRequest"


@pytest.mark.parametrize("method", ["notifications/evil", "notifications/message"])
def test_a_notification_that_no_client_sends_is_refused_without_a_body(
    meeting: Meeting, method: str
) -> None:
    lines = [line for line in meeting.lines() if not line.startswith(("Mcp-Method", "Mcp-Name"))]
    told = {"jsonrpc": "2.0", "method": method, "params": {"data": "mine"}}

    answer = meeting.sends(told, lines=lines)

    assert (answer.status, answer.body) == (403, b"")
    assert not any(b"mine" in body for body in meeting.upstream.bodies)


MIRRORS: Mapping[str, tuple[str, str]] = {
    "another method": ("Mcp-Method: tools/call", "Mcp-Method: tools/list"),
    "another name": ("Mcp-Name: mine", "Mcp-Name: good"),
    "another case": ("Mcp-Name: mine", "Mcp-Name: MINE"),
    "another version": ("MCP-Protocol-Version: 2026-07-28", "MCP-Protocol-Version: 2025-11-25"),
    "no name": ("Mcp-Name: mine", "X-Name: mine"),
    "the name twice": ("Mcp-Name: mine", "Mcp-Name: mine\r\nmcp-name: mine"),
    "broken base64": ("Mcp-Name: mine", "Mcp-Name: =?base64?bWluZQ=?="),
    "another parameter": ("Mcp-Name: mine", "Mcp-Name: mine\r\nMcp-Param-Region: us"),
}


@ONLY_2026
@pytest.mark.parametrize("name", MIRRORS)
def test_headers_that_say_otherwise_than_the_body_are_refused(meeting: Meeting, name: str) -> None:
    old, new = MIRRORS[name]
    messages(meeting.alice.list_tools(1))
    lines = [line.replace(old, new) for line in meeting.lines()]

    answer = meeting.sends(meeting.message(region="eu"), lines=lines)

    meeting.is_told(answer, 400, "HeaderMismatch")


@ONLY_2026
def test_header_names_have_no_case(meeting: Meeting) -> None:
    names = {"MCP-Protocol-Version": "mcp-protocol-version", "Mcp-Method": "MCP-METHOD"}
    lines = meeting.lines()
    for name, spelled in names.items():
        lines = [line.replace(f"{name}:", f"{spelled}: \t") for line in lines]

    answer = meeting.sends(meeting.message(), lines=lines)

    assert messages(answer)[-1]["result"]["content"] == GOOD["content"]


MADE_UP: Mapping[str, Any] = {
    "a state": {"requestState": "mine", "inputResponses": {}},
    "a state that is no text": {"requestState": 7},
    "answers in a list": {"inputResponses": ["mine"]},
    "an answer to nothing": {"inputResponses": {"q": {"mine": 1}}},
}


@ONLY_2026
@pytest.mark.parametrize("name", MADE_UP)
def test_a_round_that_the_server_did_not_begin_is_refused(meeting: Meeting, name: str) -> None:
    message = meeting.message()
    message["params"] |= MADE_UP[name]

    meeting.is_told(meeting.sends(message), 400, PARAMS)
