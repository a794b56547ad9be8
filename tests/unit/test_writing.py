"""Answers go out in pieces, and a client that takes none holds nothing for long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ostiary_proxy.edge import writing
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.listener import Listener
from ostiary_proxy.edge.writing import write_answer
from ostiary_proxy.pipeline.answer import Answer

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Endless:
    """A stream that goes on as fast as it is taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.abandoned = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1
            yield b"x" * 65536

    async def abandon(self) -> None:
        self.abandoned.set()


class Telling:
    """Answers every request with `answer`."""

    def __init__(self) -> None:
        self.answer = Answer(status=200)
        self.ended = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await write_answer(request, self.answer, closing=False)
        finally:
            self.ended.set()


@pytest.fixture
async def telling() -> Telling:
    return Telling()


@pytest.fixture
async def at(telling: Telling) -> AsyncIterator[Endpoint]:
    served = Listener(telling, Endpoint("127.0.0.1", 0))
    yield await served.start()
    await served.stop(drain=1)


@pytest.mark.parametrize("body", ["stream", "whole"])
async def test_a_client_that_takes_nothing_is_let_go_and_holds_little(
    telling: Telling, at: Endpoint, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(writing, "_STALLED", 0.2)
    endless = Endless()
    whole = b"x" * (64 * 1024 * 1024)
    telling.answer = Answer(status=200, body=endless if body == "stream" else whole)
    reader, writer = await asyncio.open_connection(at.host, at.port, limit=1024)
    writer.write(ASK)

    async with asyncio.timeout(10):
        await telling.ended.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(len(whole))
    writer.close()

    assert endless.abandoned.is_set() == (body == "stream")
    assert endless.taken * 65536 < 16 * 1024 * 1024  # what the two sockets buffer


async def test_a_client_that_reads_slowly_gets_all_of_it(telling: Telling, at: Endpoint) -> None:
    telling.answer = Answer(status=200, body=b"x" * (8 * 1024 * 1024))
    reader, writer = await asyncio.open_connection(at.host, at.port, limit=1024)
    writer.write(ASK)

    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(8 * 1024 * 1024)
        writer.write(ASK)  # the connection is as good as ever
        again = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert b"content-length: 8388608" in head.lower()
    assert (len(body), again.split(b"\r\n")[0]) == (8 * 1024 * 1024, b"HTTP/1.1 200 OK")
