"""Pitfalls d8 to d15 from a server's side: whatever it answers, in either era, native and bridged.

The client gets one answer under its own id, the audit log says why, nothing grows, and others'
calls go on meanwhile.
"""

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from gateway_parts import Answer, Gateway, dev, policy_yaml, route_yaml, three_files, until
from hostile_parts import RawServer, head, peak, proxy_pid, raw_server, typed
from hostile_peer_parts import (
    ERAS,
    GOOD,
    RULES,
    TOOLS,
    Caller,
    Era,
    Evil,
    behaving,
    callers,
    eventful,
    messages,
    nothing,
    others_go_on,
    records_of,
)
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.refused import CODES

NUMBERS = count(1000)
DEEP = b"[" * 10_000 + b"]" * 10_000
GARBAGE: Mapping[str, bytes] = {
    "no json": b"hello",
    "half of an answer": b'{"jsonrpc":"2.0","id":$ID,"result":{',
    "a byte order mark": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":$ID,"result":{}}',
    "no utf-8": b'{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"text":"\xff"}]}}',
    "not a number": b'{"jsonrpc":"2.0","id":$ID,"result":{"n":NaN}}',
    "infinity": b'{"jsonrpc":"2.0","id":$ID,"result":{"n":-Infinity}}',
    "a duplicate key": b'{"jsonrpc":"2.0","id":$ID,"result":{},"result":{"content":[]}}',
    "a duplicate key deep down": b'{"jsonrpc":"2.0","id":$ID,"result":{"a":{"b":1,"b":2}}}',
    "an odd-case key": b'{"jsonrpc":"2.0","id":$ID,"result":{},"Result":{"content":[]}}',
    "an odd-case key inside": b'{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"Content":[]}}',
    "a long s": '{"jsonrpc":"2.0","id":$ID,"result":{},"re\u017fult":{}}'.encode(),
    "a lone surrogate": b'{"jsonrpc":"2.0","id":$ID,"result":{"\\ud800":1}}',
    "a nul in a key": b'{"jsonrpc":"2.0","id":$ID,"result":{},"result\\u0000":{}}',
    "10,000-deep nesting": b'{"jsonrpc":"2.0","id":$ID,"result":{"a":' + DEEP + b"}}",
    "two answers in one": b'{"jsonrpc":"2.0","id":$ID,"result":{}}{"jsonrpc":"2.0"}',
    "an array": b'[{"jsonrpc":"2.0","id":$ID,"result":{}}]',
    "no version": b'{"id":$ID,"result":{}}',
    "null for an id": b'{"jsonrpc":"2.0","id":null,"result":{}}',
    "an id with a point": b'{"jsonrpc":"2.0","id":1.5,"result":{}}',
    "an id beyond a double": b'{"jsonrpc":"2.0","id":9007199254740993,"result":{}}',
    "a result and an error": (
        b'{"jsonrpc":"2.0","id":$ID,"result":{},"error":{"code":1,"message":"x"}}'
    ),
    "neither": b'{"jsonrpc":"2.0","id":$ID}',
    "a list for a result": b'{"jsonrpc":"2.0","id":$ID,"result":[]}',
    "an error without a code": b'{"jsonrpc":"2.0","id":$ID,"error":{"message":"x"}}',
    "an error with a method": b'{"jsonrpc":"2.0","id":$ID,"method":"ping","error":{}}',
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, RawServer]]:
    with raw_server() as a, raw_server() as b, raw_server() as c, raw_server() as d:
        yield dict(zip(ERAS, (a, b, c, d), strict=True))


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, servers: Mapping[str, RawServer]
) -> Iterator[Gateway]:
    """Serve a route for each era, so that what the proxy knows of a server stays true."""
    files = three_files(servers["2025"].url, RULES)
    for number, server in enumerate(list(servers.values())[1:], start=1):
        files[f"r{number}.yaml"] = route_yaml(server.url, name=f"r{number}")
        files[f"p{number}.yaml"] = policy_yaml(RULES, route=f"r{number}", name=f"p{number}")
    with dev(tmp_path_factory.mktemp("hostile"), files) as running:
        yield running


@pytest.fixture(scope="module")
def people(
    gateway: Gateway, servers: Mapping[str, RawServer]
) -> Mapping[str, Mapping[str, Caller]]:
    """Return alice and carol at each era's route."""
    found = {}
    for (name, era), route in zip(ERAS.items(), ("files", "r1", "r2", "r3"), strict=True):
        servers[name].behave = behaving(era, lambda *_: None)
        issued = {who: gateway.log_in(route, username=who) for who in ("alice", "carol")}
        found[name] = callers(gateway, era, issued, route=route)
    return found


class Meeting:
    """One era's server and people."""

    def __init__(
        self, gateway: Gateway, server: RawServer, era: Era, people: Mapping[str, Caller]
    ) -> None:
        self.gateway, self.server, self.era = gateway, server, era
        self.alice, self.carol = people["alice"], people["carol"]

    def says(self, said: bytes) -> "Seen":
        """Call the evil tool, which says these bytes."""

        def evil(connection: socket.socket, request_id: Any) -> None:
            connection.sendall(said.replace(b"$ID", json.dumps(request_id).encode()))

        return self.does(evil)

    def does(self, evil: Evil) -> "Seen":
        """Call the evil tool, while somebody else calls a good one."""
        self.server.behave = behaving(self.era, evil)
        number = next(NUMBERS)
        with others_go_on(self.carol):
            answer = self.alice.call("evil", number, sampling={})
        return Seen(answer, number, self.gateway)


class Seen:
    """What a call came to: for its client, and in the audit log."""

    def __init__(self, answer: Answer, number: int, gateway: Gateway) -> None:
        self.status, self.body = answer.status, answer.body
        self.said = messages(answer)
        self.records = records_of(gateway, number)
        self._number = number

    def failed(self) -> int:
        """Return the code of the one error that came under the id of the call, as recorded."""
        (error,) = self.said
        (ended,) = [one["facts"] for one in self.records if one["kind"] == "outcome"]
        code = int(error["error"]["code"])
        assert error["id"] == self._number
        assert ended["outcome"] in ("error", "refused")
        assert code in (ended.get("error"), ended.get("code") and CODES[ended["code"]].rpc)
        return code

    def fine(self) -> bool:
        """Say whether the good answer came and nothing else."""
        return [(one["id"], one["result"]["content"]) for one in self.said] == [
            (self._number, GOOD["content"])
        ]

    def dropped(self) -> int:
        """Return how many records say that something was kept from the client."""
        kinds = [(one["kind"], one["facts"].get("decision")) for one in self.records]
        return kinds.count(("server-message", "drop"))


@pytest.fixture(params=ERAS)
def meeting(
    request: pytest.FixtureRequest,
    gateway: Gateway,
    servers: Mapping[str, RawServer],
    people: Mapping[str, Mapping[str, Caller]],
) -> Meeting:
    name = request.param
    return Meeting(gateway, servers[name], ERAS[name], people[name])


def whole(body: bytes) -> bytes:
    """Return an answer whose end is that of the connection."""
    return head("content-type: application/json", "connection: close") + body


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("form", [whole, eventful])
def test_what_is_no_answer_is_told_as_one(meeting: Meeting, form: Any, name: str) -> None:
    seen = meeting.says(form(GARBAGE[name]))

    assert seen.status in (200, 502)
    assert seen.failed() == -31012


OTHER: Mapping[str, bytes] = {
    "an answer to nothing": b'{"jsonrpc":"2.0","id":424242,"result":{"content":[]}}',
    "an answer to the id as text": b'{"jsonrpc":"2.0","id":"$ID","result":{"content":[]}}',
    "an error for nobody": b'{"jsonrpc":"2.0","error":{"code":-32603,"message":"x"}}',
    "a request that no server sends": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good"}}'
    ),
    "an unknown request": b'{"jsonrpc":"2.0","id":1,"method":"evil/eval","params":{}}',
    "an unknown notification": b'{"jsonrpc":"2.0","method":"notifications/evil","params":{}}',
}
ANSWER = (
    json.dumps({"jsonrpc": "2.0", "id": "$ID", "result": GOOD}).replace('"$ID"', "$ID").encode()
)


@pytest.mark.parametrize("name", OTHER)
def test_what_was_not_asked_is_no_answer(meeting: Meeting, name: str) -> None:
    assert meeting.says(whole(OTHER[name])).failed() == -31012


@pytest.mark.parametrize("name", OTHER)
def test_what_was_not_asked_is_dropped_from_a_stream(meeting: Meeting, name: str) -> None:
    seen = meeting.says(eventful(OTHER[name], ANSWER))

    assert seen.fine()
    assert seen.dropped() == 1


def test_a_second_answer_is_dropped_or_not_waited_for(meeting: Meeting) -> None:
    seen = meeting.says(eventful(ANSWER, ANSWER.replace(b"fine", b"other")))

    assert seen.fine()


MODERN_SERVERS = pytest.mark.parametrize("meeting", ["2026", "2025 before 2026"], indirect=True)
SAMPLING = b'{"jsonrpc":"2.0","id":"evil","method":"sampling/createMessage","params":{}}'


@MODERN_SERVERS
def test_a_request_on_a_stream_of_2026_reaches_no_client_whatever_policy_allows(
    meeting: Meeting,
) -> None:
    seen = meeting.says(eventful(SAMPLING, ANSWER))

    assert seen.fine()
    assert seen.dropped() == 1


QUESTION: Mapping[str, Any] = {"method": "sampling/createMessage", "params": {"messages": []}}
WRONG: Mapping[str, Any] = {
    "another type": {"resultType": "banana", "content": []},
    "a type that is no text": {"resultType": 7, "content": []},
    "a task that nobody declared": {
        "resultType": "task", "taskId": "t", "status": "working", "ttl": 9,
    },
    "a question in what is complete": {"resultType": "complete", "inputRequests": {"q": QUESTION}},
    "questions in a list": {"resultType": "input_required", "inputRequests": [QUESTION]},
    "a question without a method": {"resultType": "input_required", "inputRequests": {"q": {}}},
    "a question that is a call": {
        "resultType": "input_required", "inputRequests": {"q": {"method": "tools/call"}},
    },
    "a state that is no text": {"resultType": "input_required", "requestState": 7},
}  # fmt: skip


@pytest.mark.parametrize("form", [whole, eventful])
@pytest.mark.parametrize("name", WRONG)
@MODERN_SERVERS
def test_a_result_that_2026_does_not_know_is_no_answer(
    meeting: Meeting, form: Any, name: str
) -> None:
    result = json.dumps(WRONG[name]).encode()

    seen = meeting.says(form(b'{"jsonrpc":"2.0","id":$ID,"result":' + result + b"}"))

    assert seen.failed() in (-31012, -32602)  # the latter for a question that nobody can be asked


HEADS: Mapping[str, bytes] = {
    "nothing at all": b"",
    "no http": b"220 mail.example ESMTP\r\n",
    "a status of its own": head("content-length: 0", status="999 Whatever"),
    "nothing to say": head("content-length: 0", status="204 No Content"),
    "another protocol": head("upgrade: evil", "connection: upgrade", status="101 Switching"),
    "a page": typed("text/html", b"<h1>nginx</h1>"),
    "no type": head("content-length: 2", "connection: close") + b"{}",
    "two types": head("content-type: text/html", "content-type: application/json") + b"{}",
    "two lengths": typed("application/json", b"{}", "content-length: 9"),
    "a length that is none": typed("application/json", b"{}", length=-1),
    "a length and chunks": typed("application/json", b"{}", "transfer-encoding: chunked"),
    "chunks that are none": (
        head("content-type: application/json", "transfer-encoding: chunked") + b"evil\r\n{}\r\n"
    ),
    "a folded header": typed("application/json", b"{}", "x-a: b\r\n evil: yes"),
    "a bare return": typed("application/json", b"{}", "x-a: b\revil: yes"),
    "a header of a mebibyte": typed("application/json", b"{}", "x-a: " + "b" * 2**20),
    "compressed": typed("application/json", gzip.compress(b"{}"), "content-encoding: gzip"),
    "compressed events": typed("text/event-stream", b"x", "content-encoding: br"),
    "half of a body": typed("application/json", b'{"jsonrpc"', length=500),
    "half of an event": typed("text/event-stream", b'data: {"jsonrpc"', length=500),
    "a redirect": typed("text/html", b"", "location: http://169.254.169.254/", status="302 Found"),
    "a redirect of the method": typed(
        "text/html", b"", "location: http://127.0.0.1:1/", status="308 Permanent Redirect"
    ),
    "a login": typed("text/html", b"", "www-authenticate: Basic realm=x", status="401 No"),
    "no right": typed("text/html", b"", "www-authenticate: Bearer x", status="403 No"),
    "a trace": typed("text/plain", b"Traceback (most recent call last)", status="500 Oops"),
}  # fmt: skip
FAILURES = (-31010, -31012, -31013, -31014)


@pytest.mark.parametrize("name", HEADS)
def test_what_is_no_good_http_is_told_as_ours(meeting: Meeting, name: str) -> None:
    seen = meeting.says(HEADS[name])

    assert seen.failed() in FAILURES
    for word in (b"Traceback", b"nginx", b"169.254", b"127.0.0.1", b"realm", b"evil: yes"):
        assert word not in seen.body


MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE
EVENTS = head("content-type: text/event-stream", "connection: close")
PROGRESS = json.dumps(
    {
        "jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": "p", "progress": 1, "message": "x" * 10_000},
    }
).encode()  # fmt: skip
ENDLESS: Mapping[str, tuple[bytes, bytes]] = {
    "a body": (head("content-type: application/json", f"content-length: {GIBIBYTE}"), b" " * 65536),
    "events": (EVENTS, b"data: " + b"x" * 1000 + b"\n\n"),
    "an event that ends no line": (EVENTS, b"data: " + b"x" * 65530),
    "an event of many lines": (EVENTS, b"data: " + b"x" * 65529 + b"\n"),
    "notifications": (EVENTS, b"data: " + PROGRESS + b"\n\n"),
    "comments": (EVENTS, b": " + b"x" * 1000 + b"\n\n"),
    "a head": (b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"b" * 1000 + b"\r\n"),
    "heads before the head": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


def endless(first: bytes, piece: bytes) -> Evil:
    """Return what says `first`, and then a gibibyte of pieces."""

    def evil(connection: socket.socket, _: Any) -> None:
        connection.sendall(first)
        more = piece * max(1, 65536 // len(piece))
        for _piece in range(GIBIBYTE // len(more)):
            connection.sendall(more)

    return evil


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended_and_takes_little_memory(meeting: Meeting, name: str) -> None:
    pid = proxy_pid(meeting.gateway)
    before = peak(pid, reset=True)

    seen = meeting.does(endless(*ENDLESS[name]))

    seen.said = seen.said[-1:]
    assert seen.failed() in FAILURES
    assert peak(pid) - before < 64 * 1024


@pytest.mark.parametrize("name", [name for name in ENDLESS if name.startswith("an event")])
def test_a_stream_that_listens_ends_with_an_event_that_has_no_end(
    meeting: Meeting, name: str
) -> None:
    meeting.server.behave = behaving(meeting.era, nothing, own=endless(*ENDLESS[name]))
    pid = proxy_pid(meeting.gateway)
    before = peak(pid, reset=True)

    with others_go_on(meeting.carol):
        meeting.alice.listen(next(NUMBERS))

    assert peak(pid) - before < 64 * 1024
    until(lambda: len(ended_listening(meeting.gateway)) == 1)


def ended_listening(gateway: Gateway) -> list[str]:
    """Return how the stream ended that was opened last."""
    records = gateway.records()
    opened = [r["id"] for r in records if r["facts"].get("method") in ("GET", LISTEN)][-1]
    return [r["facts"]["outcome"] for r in records if (r["id"], r["kind"]) == (opened, "outcome")]


@pytest.mark.parametrize("where", ["inputSchema", "outputSchema"])
def test_no_address_in_a_schema_is_ever_asked(meeting: Meeting, where: str) -> None:
    with raw_server() as trap:
        found = {"$ref": trap.url, "$schema": trap.url, "$id": trap.url, "type": "object"}
        tool = {"name": "evil", "inputSchema": {"type": "object"}, where: found}
        listed = {"tools/list": {**TOOLS, "tools": [tool]}}
        meeting.server.behave = behaving(meeting.era, nothing, results=listed)

        (tools,) = messages(meeting.alice.list_tools(next(NUMBERS)))
        seen = meeting.says(eventful(ANSWER))

        assert tools["result"]["tools"] == [tool]
        assert seen.fine()
        assert trap.heads == []
