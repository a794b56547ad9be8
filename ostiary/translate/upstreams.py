"""Resolving the address of a server: a Service that may be named, or an address outside."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlunsplit

from ostiary.config.document import Upstream
from ostiary.resources.address import is_loopback, split_url
from ostiary.resources.route import BackendRef
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.references import References

__all__ = ["Asking", "resolve_upstream"]

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who names a server: `namespace` is the route's, `path` the field that names it."""

    namespace: str
    path: str


def resolve_upstream(
    target: str | BackendRef, asking: Asking, gateway: ResolvedGateway, references: References
) -> Upstream | Problem:
    """Return where the requests for a server go, or why they may not go there.

    A Service that may be named is the platform's word (its address is private); any other address
    is the route's, and judged again when it is connected to (security decision 12).
    """
    if isinstance(target, BackendRef):
        return _backend(target, asking, references)
    parts = split_url(target)
    named = _service_named(parts, asking.namespace, references)
    if named is None:
        return _outside(target, parts, gateway, asking.path)
    namespace, name, host = named
    port = parts.port or _PORTS[parts.scheme]
    problem = references.service(namespace, name, port, asking=asking.namespace, path=asking.path)
    if problem is not None:
        return problem
    # In development names resolve as this machine has them, so they stay as they are written.
    url = target if gateway.local else _with_host(parts, host)
    return Upstream(url=url, named_by="platform")


def _backend(ref: BackendRef, asking: Asking, references: References) -> Upstream | Problem:
    namespace = ref.namespace or asking.namespace
    problem = references.service(
        namespace, ref.name, ref.port, asking=asking.namespace, path=asking.path
    )
    if problem is not None:
        return problem
    url = f"http://{ref.name}.{namespace}.svc:{ref.port}{ref.path}"
    return Upstream(url=url, named_by="platform")


def _service_named(
    parts: SplitResult, asking: str, references: References
) -> tuple[str, str, str] | None:
    """Return namespace, Service and host where the host is a name or address in the cluster."""
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        return None
    if _address(host) is not None:
        found = references.addresses.get(str(_address(host)))
        return None if found is None else (found.namespace, found.name, host)
    labels = host.split(".")
    if len(labels) == 1:
        return (asking, labels[0], f"{labels[0]}.{asking}.svc")
    for index in range(2, len(labels)):
        if labels[index] in ("svc", "pod"):
            return (labels[index - 1], labels[index - 2], host)
    # A search domain makes `name.namespace` reach into that namespace.
    if len(labels) == 2 and labels[1] in references.namespaces:
        return (labels[1], labels[0], f"{host}.svc")
    return None


def _outside(
    url: str, parts: SplitResult, gateway: ResolvedGateway, path: str
) -> Upstream | Problem:
    """Refuse early what the proxy would refuse on each call; names are judged when they resolve."""
    config = gateway.config
    assert config is not None
    host = parts.hostname or ""
    if is_loopback(host):
        if gateway.local:
            return Upstream(url=url)
        return _refused("loopback is the proxy's own; name the server by its Service", path)
    address = _address(host)
    if address is not None and _within(address, config.upstreams.deny):
        return _refused(f"{address} is in the gateway's upstreams.deny", path)
    if (
        address is not None
        and not address.is_global
        and not _within(address, config.upstreams.allow)
    ):
        return _refused(f"{address} is private and not in the gateway's upstreams.allow", path)
    return Upstream(url=url)


def _refused(message: str, path: str) -> Problem:
    return Problem(
        condition=Condition.RESOLVED_REFS,
        reason=Reason.UPSTREAM_NOT_ALLOWED,
        message=message,
        path=path,
    )


def _with_host(parts: SplitResult, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit((parts.scheme, f"{shown}{port}", parts.path, parts.query, ""))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _within(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Iterable[str]
) -> bool:
    return any(address in ipaddress.ip_network(text) for text in networks)
