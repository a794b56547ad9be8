"""Security decision 12: no request reaches an address that its class may not name."""

import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from ostiary.config.document import UpstreamsRule
from ostiary_proxy.outbound.exchange import NamedBy, OutboundFailed, Outgoing
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.transport import PooledTransport

GUARD = Guard.of(
    UpstreamsRule(allow=("10.1.0.0/16", "169.254.0.0/16", "8.8.8.8/32"), deny=("9.9.9.0/24",)),
    allow_loopback=False,
    environ={"KUBERNETES_SERVICE_HOST": "10.96.0.1", "OSTIARY_HOST_IPS": "10.1.0.7,2001:4860::7"},
)
DEVELOPMENT = Guard(allow_loopback=True)

NEVER = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("::", "unspecified"),
    ("100.64.0.1", "shared"),
    ("100.100.100.200", "metadata"),
    ("168.63.129.16", "metadata"),
    ("192.0.0.192", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("169.254.169.254", "link-local"),
    ("169.254.1.1", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("224.0.0.1", "multicast"),
    ("ff02::1", "multicast"),
    ("255.255.255.255", "reserved"),
    ("240.0.0.1", "reserved"),
    ("::ffff:8.8.8.8", "embedded"),
    ("::ffff:127.0.0.1", "embedded"),
    ("64:ff9b::a9fe:a9fe", "embedded"),
    ("64:ff9b:1::1", "embedded"),
    ("2002:a9fe:a9fe::1", "embedded"),
    ("2001:0:1::1", "embedded"),
    ("10.96.0.1", "own"),
    ("10.1.0.7", "own"),
    ("2001:4860::7", "own"),
    ("9.9.9.9", "denied"),
    ("127.0.0.1", "loopback"),
    ("127.9.9.9", "loopback"),
    ("::1", "loopback"),
    ("localhost", "not-an-address"),
    ("0x7f.1", "not-an-address"),
    ("2130706433", "not-an-address"),
]
PRIVATE = ["10.2.0.1", "172.16.0.1", "192.168.1.1", "fd12::1", "198.18.0.1", "192.0.2.1"]


@pytest.mark.parametrize("named_by", ["platform", "route", "stranger"])
@pytest.mark.parametrize(("address", "reason"), NEVER)
def test_some_addresses_are_nobodys_to_name(address: str, reason: str, named_by: NamedBy) -> None:
    assert GUARD.judge(address, named_by) == reason


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_the_platforms_to_name(address: str) -> None:
    assert GUARD.judge(address, "platform") is None
    assert GUARD.judge(address, "route") == "private"
    assert GUARD.judge(address, "stranger") == "private"


def test_a_gateway_may_let_routes_but_never_strangers_name_a_private_network() -> None:
    assert GUARD.judge("10.1.2.3", "route") is None
    assert GUARD.judge("10.1.2.3", "stranger") == "private"


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1"])
@pytest.mark.parametrize("named_by", ["platform", "route", "stranger"])
def test_public_addresses_are_everybodys_to_name(address: str, named_by: NamedBy) -> None:
    assert GUARD.judge(address, named_by) is None


def test_the_development_switch_opens_loopback_and_nothing_else() -> None:
    assert DEVELOPMENT.judge("127.0.0.1", "route") is None
    assert DEVELOPMENT.judge("::1", "platform") is None
    assert DEVELOPMENT.judge("127.0.0.1", "stranger") == "loopback"
    assert DEVELOPMENT.judge("169.254.169.254", "platform") == "link-local"
    assert DEVELOPMENT.judge("10.0.0.1", "route") == "private"
    assert DEVELOPMENT.judge("::ffff:127.0.0.1", "route") == "embedded"


def test_a_gateways_rule_that_is_no_network_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        Guard.of(UpstreamsRule(deny=("internal",)), allow_loopback=False, environ={})


def test_an_api_server_given_by_name_is_not_compared() -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "api.cluster.example"}

    assert Guard.of(UpstreamsRule(), allow_loopback=False, environ=environ) == Guard()


class Rebinding(AbstractResolver):
    """Answers with the next address each time."""

    def __init__(self, answers: Sequence[Sequence[str]], port: int) -> None:
        self.answers = list(answers)
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self.port,
                family=socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        return None


@pytest.fixture
async def hits() -> AsyncIterator[tuple[int, list[str]]]:
    """Serve on loopback; yields the port and the paths that were asked for."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        if request.path == "/away":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data")
        return web.Response(
            text="ok",
            headers={
                "Set-Cookie": "a=1",
                "Connection": "close",
                "X-Had": str(request.headers.get("Cookie")),
            },
        )

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1], seen
    await runner.cleanup()


def get(url: str, named_by: NamedBy = "route") -> Outgoing:
    return Outgoing(method="GET", url=url, headers=(), named_by=named_by, timeout=5)


async def reason_of(transport: PooledTransport, request: Outgoing) -> str:
    with pytest.raises(OutboundFailed) as failed:
        await transport.send(request)
    return failed.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]", "2130706433"])
async def test_a_literal_address_meets_the_guard_although_no_resolver_sees_it(
    host: str, hits: tuple[int, list[str]]
) -> None:
    port, seen = hits
    transport = PooledTransport(Guard())

    reason = await reason_of(transport, get(f"http://{host}:{port}/"))
    await transport.close()

    assert reason in {"forbidden-address", "protocol"}
    assert seen == []


async def test_a_name_that_resolves_to_loopback_the_second_time_is_refused(
    hits: tuple[int, list[str]],
) -> None:
    port, seen = hits
    resolver = Rebinding([["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]], port)
    transport = PooledTransport(DEVELOPMENT, resolver=resolver)
    url = "http://rebind.example/"

    first = await transport.send(get(url))
    assert await first.body(10) == b"ok"
    await first.close()
    second = await reason_of(transport, get(url))
    third = await reason_of(transport, get(url, "stranger"))
    await transport.close()

    assert (second, third) == ("forbidden-address", "forbidden-address")
    assert seen == ["/"]


async def test_only_the_allowed_ones_of_several_addresses_are_tried(
    hits: tuple[int, list[str]],
) -> None:
    port, seen = hits
    resolver = Rebinding([["169.254.169.254", "::ffff:127.0.0.1", "127.0.0.1"]], port)
    transport = PooledTransport(DEVELOPMENT, resolver=resolver)

    exchange = await transport.send(get("http://many.example/"))
    await exchange.close()
    await transport.close()

    assert seen == ["/"]


async def test_a_connection_of_the_platform_is_not_reused_for_a_stranger(
    hits: tuple[int, list[str]],
) -> None:
    port, seen = hits
    transport = PooledTransport(DEVELOPMENT)
    exchange = await transport.send(get(f"http://127.0.0.1:{port}/mine", "platform"))
    await exchange.body(10)

    reason = await reason_of(transport, get(f"http://127.0.0.1:{port}/theirs", "stranger"))
    await transport.close()

    assert reason == "forbidden-address"
    assert seen == ["/mine"]


async def test_redirects_are_answers_and_cookies_are_forgotten(
    hits: tuple[int, list[str]],
) -> None:
    port, seen = hits
    transport = PooledTransport(DEVELOPMENT)
    away = await transport.send(get(f"http://127.0.0.1:{port}/away"))
    await away.close()
    for _ in range(2):
        exchange = await transport.send(get(f"http://127.0.0.1:{port}/cookie"))
        await exchange.close()
    await transport.close()

    assert away.status == 302
    assert exchange.headers["x-had"] == "None"
    assert seen == ["/away", "/cookie", "/cookie"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_a_proxy_in_the_environment_sees_nothing(
    variable: str, hits: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = hits
    monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    transport = PooledTransport(DEVELOPMENT, resolver=Rebinding([["169.254.169.254"]], port))

    reason = await reason_of(transport, get("http://elsewhere.example/"))
    await transport.close()

    assert reason == "forbidden-address"
    assert seen == []
