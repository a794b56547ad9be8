"""Whose address a request comes from: the peer's, or what trusted proxies in front of us saw."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from ostiary_proxy.wire import Address, address_of

__all__ = ["Networks", "source_of"]

Networks = Sequence[IPv4Network | IPv6Network]


def source_of(peer: str, forwarded: str | None, trusted: Networks) -> Address:
    """Return the caller's address.

    `forwarded` is the whole X-Forwarded-For value (repeats joined by commas). It is read from the
    right as long as the hop that wrote the entry is trusted; an entry that is no address ends the
    walk, so a client can invent nothing.
    """
    address = _plain(address_of(peer.partition("%")[0]))
    hops = [hop.strip() for hop in (forwarded or "").split(",") if hop.strip()]
    while hops and _within(address, trusted):
        try:
            address = _plain(address_of(hops.pop()))
        except ValueError:
            break
    return address


def _plain(address: Address) -> Address:
    """Return the IPv4 address behind a mapped one, so that both forms match one network."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _within(address: Address, networks: Networks) -> bool:
    return any(address.version == network.version and address in network for network in networks)
