"""Which addresses a request may connect to, by who named them (security decision 12). Pure.

Enforced where sockets are made (`connector`), so that neither a literal address nor a name that
resolves differently the second time gets around it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from ostiary.config.document import UpstreamsRule
from ostiary_proxy.outbound.exchange import NamedBy
from ostiary_proxy.wire import Address

__all__ = ["Guard"]

Network = IPv4Network | IPv6Network

_NEVER: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = tuple(
    (reason, tuple(ip_network(text) for text in texts))
    for reason, texts in (
        # an IPv4 address in IPv6 clothes would pass by the lists for IPv4
        ("embedded", ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")),
        # cloud metadata beside 169.254.169.254: EC2, Google, Alibaba, Azure, Oracle
        (
            "metadata",
            (
                "fd00:ec2::254/128",
                "fd20:ce::254/128",
                "100.100.100.200/32",
                "168.63.129.16/32",
                "192.0.0.192/32",
            ),
        ),
        ("link-local", ("169.254.0.0/16", "fe80::/10", "fec0::/10")),
        ("unspecified", ("0.0.0.0/8", "::/128")),
        ("shared", ("100.64.0.0/10",)),
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("reserved", ("240.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24")),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The decision for one gateway.

    `own` are the node and the API server, which nobody may name.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    own: tuple[Network, ...] = ()
    allow_loopback: bool = False

    @classmethod
    def of(
        cls, rule: UpstreamsRule, *, allow_loopback: bool, environ: Mapping[str, str]
    ) -> "Guard":
        """Return the guard of a gateway's `upstreams` rule in this process's environment.

        Read are KUBERNETES_SERVICE_HOST (the API server) and OSTIARY_HOST_IPS (`status.hostIPs` of
        the pod, separated by commas). Raises ValueError for what is no network.
        """
        hosts = environ.get("OSTIARY_HOST_IPS", "").split(",")
        return cls(
            allow=_networks(rule.allow),
            deny=_networks(rule.deny),
            own=_networks(
                host.strip()
                for host in (*hosts, environ.get("KUBERNETES_SERVICE_HOST", ""))
                if _is_address(host.strip())
            ),
            allow_loopback=allow_loopback,
        )

    def refusal(self, address: Address, named_by: NamedBy) -> str | None:
        """Return why nobody may connect to `address` where `named_by` named it; None where one may.

        A stable word: embedded, metadata, link-local, unspecified, shared, multicast, reserved,
        own, denied, loopback, private.
        """
        for reason, networks in (*_NEVER, ("own", self.own), ("denied", self.deny)):
            if _within(address, networks):
                return reason
        if address.is_loopback:
            return None if self.allow_loopback and named_by != "stranger" else "loopback"
        if named_by == "platform" or address.is_global:
            return None
        return None if named_by == "route" and _within(address, self.allow) else "private"

    def judge(self, host: str, named_by: NamedBy) -> str | None:
        """Return the refusal for an address as a socket takes it; what is no address is refused."""
        try:
            return self.refusal(_unscoped(ip_address(host)), named_by)
        except ValueError:
            return "not-an-address"


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def _is_address(text: str) -> bool:
    """Say whether `text` is an address.

    Some clusters give a name there, which nothing is compared with.
    """
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _unscoped(address: Address) -> Address:
    """Drop a zone id: `fe80::1%eth0` lies in no network otherwise."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return IPv6Address(int(address))
    return address
