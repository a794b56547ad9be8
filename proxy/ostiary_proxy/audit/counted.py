"""What comes under quotas in the audit log, so that nobody else fills the disk (decision 16)."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from ostiary_proxy.audit.quota import Counted
from ostiary_proxy.audit.record import Kind, Record

__all__ = ["OWN_REQUESTS", "QUOTAS", "SERVER_MESSAGES", "STRANGERS"]

_UNKNOWN: Final = "unknown"


def _source(record: Record) -> str | None:
    """Name a stranger's refusal by where it came from: nobody's grant stands behind it.

    IPv6 sources count as their /64, which is what one stranger has.
    """
    if record.kind is not Kind.REFUSAL or "gid" in record.facts:
        return None
    return _network(str(record.personal.get("source", _UNKNOWN)))


def _network(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:
        return _UNKNOWN
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _session(record: Record) -> str | None:
    """Name what the gateway says by itself by whose it is and whither: a server may ask for it."""
    facts = record.facts
    if record.kind is not Kind.DECISION or facts.get("by") != "gateway":
        return None
    return f"{facts.get('gid')} {facts.get('route')} {facts.get('server', '')}".rstrip()


def _exchange(record: Record) -> str | None:
    """Name a server's message that was dropped by the exchange in which it came."""
    if record.kind is not Kind.SERVER_MESSAGE or record.facts.get("decision") != "drop":
        return None
    return str(record.facts.get("during"))


STRANGERS: Final = Counted(
    name=_source, each=10, most=300,
    event="refusals-counted", total="refused", fact="code", names="sources",
)  # fmt: skip
OWN_REQUESTS: Final = Counted(
    name=_session, each=300, most=6000,
    event="own-requests-counted", total="requests", fact="method", names="grants",
)  # fmt: skip
SERVER_MESSAGES: Final = Counted(
    name=_exchange, each=100, most=6000,
    event="server-messages-counted", total="dropped", fact="detail", names="exchanges",
)  # fmt: skip
QUOTAS: Final = (STRANGERS, OWN_REQUESTS, SERVER_MESSAGES)
