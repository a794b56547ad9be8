"""One port for both families of addresses, as pods in clusters of either kind need it."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from gateway_parts import free_port
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.listener import Listener, write_reply
from ostiary_proxy.wire import Reply


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


HOSTS = ["127.0.0.1", *(["::1"] if has_ipv6() else ())]


async def asked(host: str, port: int) -> bytes:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer


async def answers(port: int) -> list[bytes]:
    async def handler(_request):
        return write_reply(Reply(status=200, body=b"here"))

    listener = Listener(handler, Endpoint.parse(f"[::]:{port}"))
    await listener.start()
    try:
        return [await asked(host, port) for host in HOSTS]
    finally:
        await listener.stop(drain=1)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_ipv6_wildcard_takes_ipv4_too(loop):
    with asyncio.Runner(loop_factory=loop) as runner:
        answered = runner.run(answers(free_port()))

    assert [answer[:15] for answer in answered] == [b"HTTP/1.1 200 OK"] * len(HOSTS)
