"""Which ports a gateway's pods listen on."""

from dataclasses import dataclass
from typing import Final

from ostiary.resources.address import split_url

__all__ = ["ADMIN", "PRODUCTION", "Ports", "development_ports", "issuer_at"]

ADMIN: Final = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports of the pod; `issuer` is the development identity provider's, where there is one."""

    public: int = 8080
    status: int = 8081
    issuer: int | None = None


PRODUCTION: Final = Ports()


def development_ports(public_url: str) -> Ports:
    """Return the ports of a gateway with the development identity provider; raises ValueError.

    A browser reaches them by port-forward under the very numbers in the URLs, so that it and the
    proxy see one issuer: publicUrl's port, and for the issuer the next one.
    """
    public = split_url(public_url).port or 80
    if not 1024 <= public <= 65534 or ADMIN in (public, public + 1):
        raise ValueError(
            "in a cluster the development identity provider listens on the port after publicUrl's: "
            f"choose a port from 1024 to 65534 there, other than {ADMIN - 1} and {ADMIN}"
        )
    taken = (public, public + 1)
    status = next(port for port in (8081, 8082, 8083) if port not in taken)
    return Ports(public=public, status=status, issuer=public + 1)


def issuer_at(public_url: str) -> str:
    """Return HOST:PORT of the development identity provider beside a gateway on loopback."""
    parts = split_url(public_url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{(parts.port or 80) + 1}"
