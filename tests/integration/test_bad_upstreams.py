"""MCP servers that are away, slow, silent, or not MCP servers at all, behind a running gateway."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from gateway_parts import (
    Answer,
    Gateway,
    dev,
    free_port,
    policy_yaml,
    route_yaml,
    three_files,
    until,
)
from hostile_parts import (
    RawServer,
    answers,
    begun,
    call,
    head,
    lines_of,
    modern,
    refusal,
    send,
    typed,
)  # fmt: skip

ALLOW = "[{name: all, effect: Allow, who: {everyone: true}}]"
EVENTS = ("content-type: text/event-stream", "connection: close")
HELLO = {
    "jsonrpc": "2.0",
    "method": "notifications/progress",
    "params": {"progressToken": "p", "progress": 1},
}
BAD: dict[str, tuple[bytes, int, str]] = {
    "hangs up": (b"", 502, "UpstreamUnavailable"),
    "speaks no http": (b"220 mail.example ESMTP\r\n", 502, "UpstreamInvalid"),
    "sends a page": (typed("text/html", b"<h1>nginx</h1>"), 502, "UpstreamInvalid"),
    "sends garbage as json": (typed("application/json", b"\x00\xff{"), 200, "UpstreamInvalid"),
    "sends another id": (
        typed("application/json", b'{"jsonrpc":"2.0","id":8,"result":{}}'), 200, "UpstreamInvalid",
    ),
    "redirects": (
        typed("text/html", b"", "location: http://169.254.169.254/", status="302 Found"),
        502, "UpstreamInvalid",
    ),
    "redirects the method too": (
        typed("text/html", b"", "location: http://127.0.0.1:1/", status="307 Temporary Redirect"),
        502, "UpstreamInvalid",
    ),
    "fails with a trace": (
        typed("text/plain", b"Traceback (most recent call last)", status="500 Oops"),
        502, "UpstreamUnavailable",
    ),
    "breaks off": (
        typed("application/json", b'{"jsonrpc"', length=500), 502, "UpstreamUnavailable",
    ),
    "asks for a password": (
        typed("text/html", b"", "www-authenticate: Basic realm=x", status="401 Unauthorized"),
        502, "UpstreamRefused",
    ),
    "compresses": (
        typed("application/json", b"x", "content-encoding: gzip"), 502, "UpstreamInvalid",
    ),
    "has two lengths": (
        typed("application/json", b"x", "content-length: 9"), 502, "UpstreamInvalid",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: RawServer) -> Iterator[Gateway]:
    """Serve `files`, and `nobody` behind which nothing listens."""
    files = {
        **three_files(upstream.url, ALLOW),
        "nobody.yaml": route_yaml(f"http://127.0.0.1:{free_port()}/mcp", name="nobody"),
        "allow-nobody.yaml": policy_yaml(ALLOW, route="nobody", name="nobody"),
    }
    with dev(tmp_path_factory.mktemp("upstreams"), files) as running:
        yield running


@pytest.fixture(scope="module")
def slow(gateway: Gateway, upstream: RawServer, issued: str) -> Iterator[list[Answer]]:
    """Begin a call that upstream never answers; the test that wants its end comes last."""
    ended: list[Answer] = []
    upstream.behave = upstream.hangs()
    before = len(upstream.bodies)
    thread = threading.Thread(target=lambda: ended.append(patient(gateway, issued)))
    thread.start()
    until(lambda: len(upstream.bodies) > before)
    yield ended
    thread.join()


@pytest.fixture(autouse=True)
def next_call_passes(
    gateway: Gateway, upstream: RawServer, issued: str, slow: list[Answer]
) -> Iterator[None]:
    yield
    upstream.behave = answers()
    assert call(gateway, issued).json()["result"]["content"][0]["text"] == "fine"


@pytest.mark.parametrize("name", BAD)
def test_what_upstream_gets_wrong_is_told_as_ours_and_recorded(
    gateway: Gateway, upstream: RawServer, issued: str, name: str
) -> None:
    said, status, code = BAD[name]
    upstream.behave = answers(said) if said else lambda connection, _: connection.close()

    answer = call(gateway, issued)

    assert (answer.status, answer.json()["id"]) == (status, 7)
    assert answer.json()["error"]["message"].endswith(f"#{code.lower()}")
    for secret in (b"Traceback", b"nginx", b"169.254", b"127.0.0.1", b"realm"):
        assert secret not in answer.body
    assert not {"location", "www-authenticate", "content-encoding"} & set(answer.headers)
    assert refusal(gateway, answer)["outcome"] == "error"


def test_an_upstream_that_is_away_is_told_and_recorded(gateway: Gateway) -> None:
    issued = gateway.log_in("nobody")

    answer = call(gateway, issued, route="nobody")

    assert (answer.status, answer.json()["error"]["code"]) == (502, -31010)
    assert refusal(gateway, answer)["outcome"] == "error"


@pytest.mark.parametrize("media", ["text/event-stream", "application/json"])
def test_an_upstream_that_falls_silent_holds_up_nobody_else_and_is_let_go_with_its_caller(
    gateway: Gateway, upstream: RawServer, issued: str, media: str
) -> None:
    first = f"data: {json.dumps(HELLO)}\n\n" if media == "text/event-stream" else '{"jsonrpc"'
    top = head(f"content-type: {media}", "content-length: 1000")
    upstream.behave, gone = upstream.hangs(top + first.encode()), upstream.gone

    with began(gateway, issued, request_id=media) as connection:
        if media == "text/event-stream":
            until(lambda: b"notifications/progress" in connection.recv(65536))
        until(lambda: any(f'"{media}"'.encode() in body for body in upstream.bodies))
        upstream.behave = answers()
        assert "result" in call(gateway, issued).json()

    until(lambda: upstream.gone > gone)
    until(lambda: "cancelled" in outcomes(gateway, *ids_of(gateway, media)))


@pytest.mark.parametrize("end", [b"", b"data: {\n\n"])
def test_a_stream_that_breaks_off_ends_with_an_error_of_ours(
    gateway: Gateway, upstream: RawServer, issued: str, end: bytes
) -> None:
    said = f"data: {json.dumps(HELLO)}\n\n".encode() + end
    upstream.behave = answers(head(*EVENTS) + said)

    answer = call(gateway, issued)

    events = [json.loads(line[6:]) for line in answer.body.splitlines() if line[:6] == b"data: "]
    assert [event.get("method") for event in events] == ["notifications/progress", None]
    assert (events[1]["id"], events[1]["error"]["code"]) in ((7, -31010), (7, -31012))


def test_an_upstream_that_does_not_answer_in_time_is_told_and_recorded(
    gateway: Gateway, slow: list[Answer]
) -> None:
    until(lambda: bool(slow), seconds=70)

    assert (slow[0].status, slow[0].json()["error"]["code"]) == (504, -31011)
    assert refusal(gateway, slow[0])["outcome"] == "error"


def began(gateway: Gateway, issued: str, **changed: Any) -> AbstractContextManager[socket.socket]:
    """Send a good call and leave its answer to be read."""
    body = json.dumps(modern(path="a.txt", **changed)).encode()
    return begun(gateway, lines_of(issued, f"Content-Length: {len(body)}"), body)


def patient(gateway: Gateway, issued: str) -> Answer:
    body = json.dumps(modern(path="a.txt")).encode()
    lines = lines_of(issued, f"Content-Length: {len(body)}", "Connection: close")
    return send(gateway, lines, body, seconds=90)


def ids_of(gateway: Gateway, request_id: str) -> list[str]:
    """Return the decision ids of the calls with this JSON-RPC id."""
    return [r["id"] for r in gateway.records() if r["facts"].get("rpc_id") == request_id]


def outcomes(gateway: Gateway, decision: str) -> list[str]:
    records = [r for r in gateway.records() if r["id"] == decision]
    return [r["facts"]["outcome"] for r in records if r["kind"] == "outcome"]
