import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.transport import PooledTransport, trust

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def upstream(serve: Serve) -> AsyncIterator[str]:
    """Run a byte-level server on loopback; yields its URL."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def transport() -> AsyncIterator[PooledTransport]:
    made = PooledTransport(Guard(allow_loopback=True))
    yield made
    await made.close()


def post(url: str, *, timeout: float = 5, body: bytes = b"{}") -> Outgoing:
    headers = (("content-type", "application/json"), ("host", "evil"), ("accept-encoding", "gzip"))
    return Outgoing(method="POST", url=url, headers=headers, body=body, timeout=timeout)


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def canned(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


async def test_exactly_the_given_bytes_and_headers_go_out_on_a_connection_that_is_kept(
    transport: PooledTransport,
) -> None:
    seen: list[bytes] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            try:
                seen.append(await head(reader) + await reader.readexactly(2))
            except asyncio.IncompleteReadError:
                break
            writer.write(OK)
        writer.close()

    async with upstream(serve) as url:
        for _ in range(2):
            exchange = await transport.send(post(url))
            assert await exchange.body(2) == b"ok"
            await exchange.close()
        await transport.close()

    host = url.split("/")[2].encode()
    expected = (
        b"POST /mcp HTTP/1.1\r\nHost: " + host + b"\r\ncontent-type: application/json\r\n"
        b"accept-encoding: identity\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert seen == [expected, expected]
    assert connections == 1


async def test_chunks_arrive_before_the_body_ends_and_closing_is_seen_upstream(
    transport: PooledTransport,
) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await reader.read()
        gone.set()
        writer.close()

    async with upstream(serve) as url:
        exchange = await transport.send(post(url))
        chunks = exchange.chunks()
        assert await anext(chunks) == b"one"
        await exchange.close()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_body_that_breaks_off_is_an_error_and_not_an_end(
    transport: PooledTransport,
) -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    async with upstream(canned(broken)) as url:
        exchange = await transport.send(post(url))
        with pytest.raises(OutboundFailed, match="closed"):
            await exchange.body(100)
        await exchange.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed"),
        (b"garbage\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "protocol"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "protocol",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK, "protocol"),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "protocol"),
    ],
)
async def test_garbage_is_refused_and_a_post_is_never_sent_again(
    answer: bytes, reason: str, transport: PooledTransport
) -> None:
    served: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(1)
        await canned(answer)(reader, writer)

    async with upstream(serve) as url:
        with pytest.raises(OutboundFailed) as failed:
            await transport.send(post(url))

    assert failed.value.reason == reason
    assert served == [1]


async def test_a_few_heads_before_the_head_are_passed_over(transport: PooledTransport) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 16
    async with upstream(canned(interim + OK)) as url:
        exchange = await transport.send(post(url))

        assert (exchange.status, await exchange.body(2)) == (200, b"ok")
        assert "link" not in exchange.headers


async def test_a_head_that_hangs_is_a_timeout(transport: PooledTransport) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with upstream(serve) as url:
        with pytest.raises(OutboundFailed, match="timeout"):
            await transport.send(post(url, timeout=0.05))


async def test_a_whole_answer_has_one_deadline_and_one_size(transport: PooledTransport) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await reader.read()
        writer.close()

    http = HttpClient(transport)
    async with upstream(slow) as url:
        with pytest.raises(OutboundFailed, match="timeout"):
            await http.fetch(post(url, timeout=0.05), 10)
        with pytest.raises(OutboundFailed, match="too-large"):
            await http.fetch(post(url), 2)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "connect"),
        ("http://no-such-host.invalid/", "dns"),
        ("nonsense", "protocol"),
        ("file:///etc/passwd", "protocol"),
    ],
)
async def test_what_can_not_be_reached_says_why(
    url: str, reason: str, transport: PooledTransport
) -> None:
    with pytest.raises(OutboundFailed) as failed:
        await transport.send(post(url))

    assert failed.value.reason == reason


async def test_a_server_without_tls_is_a_tls_failure(transport: PooledTransport) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with upstream(plain) as url:
        with pytest.raises(OutboundFailed, match="tls"):
            await transport.send(post(url.replace("http://", "https://")))


async def test_a_header_can_not_smuggle_another(transport: PooledTransport) -> None:
    async with upstream(canned(OK)) as url:
        request = Outgoing(method="GET", url=url, headers=(("x-a", "1\r\nx-b: 2"),))
        with pytest.raises(OutboundFailed, match="protocol"):
            await transport.send(request)


async def test_repeated_headers_are_read_as_one(transport: PooledTransport) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nmcp-session-id: b\r\nContent-Length: 0\r\n\r\n"
    )
    async with upstream(canned(answer)) as url:
        exchange = await transport.send(post(url))
        await exchange.close()

    assert exchange.headers["mcp-session-id"] == "a, b"


def test_trust_demands_verified_names_and_a_real_bundle() -> None:
    context = trust(None)

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ValueError, match="PEM"):
        trust("-----BEGIN CERTIFICATE-----\nnope\n-----END CERTIFICATE-----\n")


async def test_a_body_has_arrived_once_all_of_it_is_here(transport: PooledTransport) -> None:
    go = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(OK[:-1])
        await go.wait()
        writer.write(OK[-1:])
        await writer.drain()
        writer.close()

    async with upstream(serve) as url:
        exchange = await transport.send(post(url))
        before = exchange.arrived
        go.set()
        async with asyncio.timeout(5):
            while not exchange.arrived:
                await asyncio.sleep(0.01)
        whole = await exchange.body(2)

    assert (before, whole) == (False, b"ok")
