"""A listening socket: bodies that break off or never come hold nobody up."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ostiary_proxy.edge import listener
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.listener import Listener, read_body, write_reply
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Reply


class Reading:
    """Reads each body, answers what came of it, and says when it began and what was no HTTP."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.garbled = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.began.set()
        try:
            body = await read_body(request, 1000)
        except Refused as refused:
            return write_reply(Reply(status=refused.how.status, body=refused.code.encode()))
        return write_reply(Reply(status=200, body=body))

    async def note(self, _: web.BaseRequest) -> None:
        self.garbled += 1


@pytest.fixture
async def reading() -> Reading:
    return Reading()


@pytest.fixture
async def at(reading: Reading) -> AsyncIterator[Endpoint]:
    served = Listener(reading, Endpoint("127.0.0.1", 0), garbled=reading.note)
    yield await served.start()
    await served.stop(drain=1)


async def exchange(at: Endpoint, reading: Reading, top: bytes, rest: bytes) -> bytes:
    """Send `top`, and `rest` once it is being handled; return all that is answered."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    writer.write(top)
    await asyncio.wait_for(reading.began.wait(), 5)
    writer.write(rest)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.mark.parametrize("encoding", [b"chunked", b"gzip, chunked"])
@pytest.mark.parametrize("rest", [b'{"a":1}\r\n\r\n', b"5\r\nhelloxx\r\n", b"-1\r\n"])
async def test_a_body_that_breaks_off_in_something_else_is_answered_once_and_for_all(
    at: Endpoint, reading: Reading, encoding: bytes, rest: bytes
) -> None:
    top = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + encoding + b"\r\n\r\n"

    said = await exchange(at, reading, top, rest)

    assert (said.count(b"HTTP/1."), said[:12], said.endswith(b"InvalidHttp")) == (
        1, b"HTTP/1.1 400", True,
    )  # fmt: skip


async def test_a_body_that_does_not_come_is_not_waited_for(
    at: Endpoint, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_PATIENCE", 0.05)

    said = await exchange(
        at, reading, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"x"
    )

    assert (said[:12], said.endswith(b"TooSlow")) == (b"HTTP/1.1 408", True)


async def test_requests_on_one_connection_are_answered_in_turn(
    at: Endpoint, reading: Reading
) -> None:
    one = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d"
    last = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n3"

    said = await exchange(at, reading, one % 1, one % 2 + last)

    assert [part[-1:] for part in said.split(b"HTTP/1.1 200 OK")[1:]] == [b"1", b"2", b"3"]


async def test_what_is_no_http_is_told_and_answered(at: Endpoint, reading: Reading) -> None:
    reading.began.set()

    said = await exchange(at, reading, b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"")

    assert (said[9:12], reading.garbled) == (b"400", 1)
