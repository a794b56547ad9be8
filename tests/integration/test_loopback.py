"""Rule 3: unless somebody says otherwise, nothing listens where other machines could come in."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from gateway_parts import dev, three_files
from hostile_parts import proxy_pid
from ostiary_proxy.edge.endpoint import EndpointType
from ostiary_proxy.main import main

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
LISTENING = "0A"


def test_every_port_of_the_proxy_is_on_loopback_by_default() -> None:
    ports = {one.name: one.default for one in main.params if isinstance(one.type, EndpointType)}

    assert ports == {
        "listen": "127.0.0.1:8080",
        "status": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
    }


def test_a_gateway_at_home_listens_on_loopback_alone(tmp_path: Path) -> None:
    with dev(tmp_path, three_files("http://127.0.0.1:9/mcp", RULES)) as gateway:
        processes = [gateway.process.pid, *children(gateway.process.pid)]
        listening = [address for pid in processes for address in addresses(pid)]

        assert proxy_pid(gateway) in processes
    assert len(listening) >= 3
    assert [address for address in listening if not address.is_loopback] == []


def children(pid: int) -> Iterator[int]:
    """Iterate over the processes that `pid` started, and theirs."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            yield child
            yield from children(child)


def addresses(pid: int) -> Iterator[IPv4Address | IPv6Address]:
    """Iterate over the addresses on which a process listens."""
    links = (path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir())
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links}
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and inode in inodes:
                yield address_in(local.partition(":")[0])


def address_in(text: str) -> IPv4Address | IPv6Address:
    """Return the address that the kernel writes as words of the machine's order."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    packed = b"".join(words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
