"""Listeners of an MCPGateway: which hosts it has, who may use them, and their certificates."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.decode.model import Model
from ostiary.resources.meta import DnsLabel, SecretRef, rules

__all__ = ["AllowedRoutes", "Listener", "ListenerTls", "NamespacesFrom"]


class NamespacesFrom(StrEnum):
    """Namespaces whose routes may use a listener's hosts."""

    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


class AllowedRoutes(Model):
    """Who may use a listener's hosts."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.namespaces == 'Selector') == has(self.matchLabels)",
                "set matchLabels if and only if namespaces is Selector",
            )
        )
    )

    namespaces: NamespacesFrom = Field(
        default=NamespacesFrom.SAME,
        description="Same: the gateway's own namespace; All: every one; Selector: by its labels.",
    )
    match_labels: dict[str, Annotated[str, Field(max_length=63)]] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Labels that the route's namespace must carry.",
    )

    @model_validator(mode="after")
    def _iff(self) -> Self:
        if (self.namespaces is NamespacesFrom.SELECTOR) != (self.match_labels is not None):
            raise ValueError("set matchLabels if and only if namespaces is Selector")
        return self


class ListenerTls(Model):
    """The certificate of a listener's hosts; with one the proxies themselves speak TLS."""

    certificate_refs: Annotated[tuple[SecretRef, ...], Field(min_length=1, max_length=1)] = Field(
        description="One Secret with tls.crt and tls.key, as cert-manager keeps it.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )


class Listener(Model):
    """A host, or all hosts one label below a domain, and who may use them."""

    name: DnsLabel = Field(description="Unique within the gateway.")
    hostname: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        description="A host, or *.example.com for every host one label below.",
    )
    allowed_routes: AllowedRoutes = Field(
        default=AllowedRoutes(), description="Namespaces whose routes may use these hosts."
    )
    tls: ListenerTls | None = Field(
        default=None,
        description="Certificate of these hosts; absent: TLS ends before the proxies.",
    )

    def covers(self, host: str) -> bool:
        """Say whether a host is one of these."""
        if not self.hostname.startswith("*."):
            return self.hostname == host
        label, _, domain = host.partition(".")
        return bool(label) and domain == self.hostname[2:]
