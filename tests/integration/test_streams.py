"""Streams through the running proxy, byte by byte: at once, cut in time, and never in heaps."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway_parts import Gateway, policy_yaml, post, until
from hostile_parts import (
    RawServer,
    answers,
    begun,
    call,
    head,
    lines_of,
    listening,
    modern,
    peak,
    proxy_pid,
    typed,
)

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
LESS = "[{name: all, effect: Allow, who: {everyone: true}, match: {tools: [a]}}]"
NOBODY = "[{name: nobody, effect: Allow, who: {groups: [nobody]}}]"
EVENTS = head("content-type: text/event-stream", "connection: close")
TAG = "io.modelcontextprotocol/subscriptionId"
ANSWER = {"jsonrpc": "2.0", "id": 7, "result": {"content": [], "resultType": "complete"}}
DONE = f"data: {json.dumps(ANSWER)}\n\n".encode()
MEBIBYTE = 1024 * 1024


def told(method: str, **params: Any) -> bytes:
    message = {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}
    return f"data: {json.dumps(message)}\n\n".encode()


HELLO = told("progress", progressToken="p", progress=1)
KINDS = {
    "call": (HELLO, DONE),
    "GET": (told("tools/list_changed"), told("prompts/list_changed")),
    "listen": (
        told("subscriptions/acknowledged", notifications={}, _meta={TAG: 7}),
        told("tools/list_changed", _meta={TAG: 7}),
    ),
}
"""By kind of stream, its first event and the one that comes later."""


@pytest.fixture(autouse=True)
def held(upstream: RawServer) -> None:
    """Let servers that hang do so until the test lets them go."""
    upstream.released.clear()


def legacy(gateway: Gateway, upstream: RawServer, issued: str) -> tuple[str, ...]:
    """Open a session of 2025 and return the header that belongs to it."""
    opened = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "prompts": {}},
        "serverInfo": {"name": "s", "version": "1"},
    }
    said = json.dumps({"jsonrpc": "2.0", "id": 1, "result": opened}).encode()
    upstream.behave = answers(typed("application/json", said))
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    session = post(gateway.url(), issued, asked).headers["mcp-session-id"]
    return (f"Mcp-Session-Id: {session}", f"Authorization: Bearer {issued}")


@contextmanager
def stream(
    gateway: Gateway, upstream: RawServer, issued: str, kind: str
) -> Iterator[socket.socket]:
    """Open a stream of this kind whose server says its first event, and later the next one."""
    first, later = KINDS[kind]
    if kind == "GET":
        session = legacy(gateway, upstream, issued)
        upstream.behave = upstream.hangs(EVENTS + first, later)
        at = urlsplit(gateway.url())
        lines = (f"GET {at.path} HTTP/1.1", f"Host: {at.netloc}", *session)
        with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
            asked = "\r\n".join((*lines, "Accept: text/event-stream", "", ""))
            connection.sendall(asked.encode())
            yield connection
        return
    upstream.behave = upstream.hangs(EVENTS + first, later)
    if kind == "listen":
        body, lines = listening(toolsListChanged=True)
        with begun(gateway, (*lines, f"Authorization: Bearer {issued}"), body) as connection:
            yield connection
        return
    with began(gateway, lines_of(issued), modern(path="a.txt")) as connection:
        yield connection


@contextmanager
def began(gateway: Gateway, lines: tuple[str, ...], message: Any) -> Iterator[socket.socket]:
    body = json.dumps(message).encode()
    with begun(gateway, (*lines, f"Content-Length: {len(body)}"), body) as connection:
        yield connection


def read_until(connection: socket.socket, said: bytes) -> bytes:
    """Read until `said` came; at the end of the connection nothing more comes."""
    data = b""
    while said not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def to_end(connection: socket.socket) -> bytes:
    """Read until the answer ends: its last chunk, or the connection."""
    data = b""
    while not data.endswith(b"0\r\n\r\n") and (more := connection.recv(65536)):
        data += more
    return data


def outcomes(gateway: Gateway) -> list[str]:
    return [r["facts"]["outcome"] for r in gateway.records() if r["kind"] == "outcome"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_event_leaves_before_the_second_exists(
    gateway: Gateway, upstream: RawServer, issued: str, kind: str
) -> None:
    with stream(gateway, upstream, issued, kind) as connection:
        first = read_until(connection, b"\n\n\r\n")
        upstream.released.set()
        rest = read_until(connection, b"result" if kind == "call" else b"list_changed")

    assert first.count(b"data: ") == 1
    assert rest.count(b"data: ") >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_forbids_it_now_cuts_a_stream(
    gateway: Gateway, upstream: RawServer, issued: str, kind: str
) -> None:
    with stream(gateway, upstream, issued, kind) as connection:
        read_until(connection, b"data: ")
        before = upstream.gone
        gateway.change("policy.yaml", policy_yaml(NOBODY))
        try:
            rest = to_end(connection)
        finally:
            gateway.change("policy.yaml", policy_yaml(RULES))

    assert (b'"error"' in rest) == (kind != "GET")
    until(lambda: upstream.gone > before)


@pytest.mark.parametrize("kind", ["GET", "listen"])
def test_a_policy_that_changes_what_is_listed_is_told_to_live_clients(
    gateway: Gateway, upstream: RawServer, issued: str, kind: str
) -> None:
    with stream(gateway, upstream, issued, kind) as connection:
        read_until(connection, b"\n\n\r\n")
        gateway.change("policy.yaml", policy_yaml(LESS))
        try:
            notice = read_until(connection, b"\n\n\r\n")
        finally:
            gateway.change("policy.yaml", policy_yaml(RULES))

    assert b"notifications/tools/list_changed" in notice


@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_grant_cuts_a_stream(gateway: Gateway, upstream: RawServer, kind: str) -> None:
    with stream(gateway, upstream, gateway.log_in(username="carol"), kind) as connection:
        read_until(connection, b"data: ")
        gateway.admin("/grants/revoke", {"user": "carol@example.com"})
        rest = to_end(connection)

    assert (b"-31002" in rest) == (kind != "GET")


@pytest.mark.parametrize("leaves", ["closes", "closes its half", "resets"])
def test_a_client_of_2026_that_goes_away_ends_the_servers_stream(
    gateway: Gateway, upstream: RawServer, issued: str, leaves: str
) -> None:
    with stream(gateway, upstream, issued, "call") as connection:
        read_until(connection, b"data: ")
        before = upstream.gone
        leave(connection, leaves)
        until(lambda: upstream.gone > before)

    until(lambda: outcomes(gateway)[-1] == "cancelled")


@pytest.mark.parametrize("leaves", ["closes", "closes its half", "resets"])
def test_a_call_of_2025_runs_to_its_end_when_its_client_goes_away(
    gateway: Gateway, upstream: RawServer, issued: str, leaves: str
) -> None:
    session = legacy(gateway, upstream, issued)
    upstream.behave = upstream.hangs(EVENTS + HELLO, DONE)
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "a"}}
    before, gone = len(outcomes(gateway)), upstream.gone
    lines = ("Content-Type: application/json", "Accept: text/event-stream", *session)

    with began(gateway, lines, message) as connection:
        read_until(connection, b"data: ")
        leave(connection, leaves)
    until(lambda: len(outcomes(gateway)) == before)  # nobody took it for cancelled
    upstream.released.set()

    until(lambda: len(outcomes(gateway)) > before)
    assert (outcomes(gateway)[-1], upstream.gone) == ("ok", gone)


def leave(connection: socket.socket, how: str) -> None:
    if how == "closes its half":
        connection.shutdown(socket.SHUT_WR)
        return
    if how == "resets":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def endless(piece: bytes, most: int) -> Callable[[socket.socket, bytes], None]:
    """Return a server that says `piece` again and again, `most` bytes in all if it may."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(EVENTS)
        for _piece in range(most // len(piece)):
            connection.sendall(piece)

    return behave


GIBIBYTE = 1024 * MEBIBYTE
LARGE = {
    "events without end": endless(b"data: " + b"x" * 1000 + b"\n\n", GIBIBYTE),
    "one event that ends no line": endless(b"data: " + b"x" * 65530, GIBIBYTE),
    "one event of many lines": endless(b"data: " + b"x" * 65529 + b"\n", GIBIBYTE),
    "notifications without end": endless(
        told("progress", progressToken="p", progress=1, message="x" * 10_000), GIBIBYTE
    ),
    "comments without end": endless(b": " + b"x" * 1000 + b"\n\n", GIBIBYTE),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_server_that_never_ends_is_ended_and_takes_little_memory(
    gateway: Gateway, upstream: RawServer, issued: str, name: str
) -> None:
    upstream.behave = LARGE[name]
    pid = proxy_pid(gateway)
    before = peak(pid, reset=True)

    answer = call(gateway, issued)

    assert b"-31012" in answer.body[-1000:]
    assert peak(pid) - before < 64 * 1024


def test_a_result_of_a_gibibyte_is_refused_and_takes_little_memory(
    gateway: Gateway, upstream: RawServer, issued: str
) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head("content-type: application/json", f"content-length: {GIBIBYTE}"))
        for _piece in range(1024):
            connection.sendall(b"x" * MEBIBYTE)

    upstream.behave = behave
    pid = proxy_pid(gateway)
    before = peak(pid, reset=True)

    answer = call(gateway, issued)

    assert answer.json()["error"]["code"] == -31012
    assert peak(pid) - before < 64 * 1024


def test_clients_that_do_not_read_hold_little_and_hold_up_nobody(
    gateway: Gateway, upstream: RawServer, issued: str
) -> None:
    sent = threading.Semaphore(0)

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(EVENTS)
        for _piece in range(64):
            connection.sendall(HELLO * 1000)
            sent.release()

    upstream.behave = behave
    pid = proxy_pid(gateway)
    before = peak(pid, reset=True)
    bodies = len(upstream.bodies)
    lines, message = lines_of(issued), modern(path="a.txt")

    with began(gateway, lines, message), began(gateway, lines, message):
        until(lambda: len(upstream.bodies) == bodies + 2)
        while sent.acquire(timeout=1):  # until the server is held back too
            pass
        upstream.behave = answers()
        others = [call(gateway, issued).json() for _ in range(5)]

    assert all("result" in other for other in others)
    assert peak(pid) - before < 32 * 1024
