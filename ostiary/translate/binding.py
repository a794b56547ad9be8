"""Binding a route to its gateway and its public URL; on conflict the older route wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pydantic

from ostiary.config.paths import is_reserved
from ostiary.resources.address import check_path, origin_of, split_url
from ostiary.resources.listener import AllowedRoutes, Listener
from ostiary.resources.manifest import Manifest
from ostiary.resources.route import GatewayRef, MCPRoute
from ostiary.translate.gateways import ResolvedGateway, default_gateway
from ostiary.translate.parsed import Parsed
from ostiary.translate.problem import Condition, Problem, Reason

__all__ = ["Bound", "Place", "bind"]

_MAX_LABEL: Final = 63


@dataclass(frozen=True, slots=True)
class Place:
    """A public URL: the issuer is its origin, the path exact and raw ('' for the root)."""

    issuer: str
    path: str

    @property
    def url(self) -> str:
        """Return the URL, which is the RFC 8707 resource too."""
        return self.issuer + self.path


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a route belongs: `gateway` is a key; `place` None where it has no URL of its own."""

    gateway: str | None
    place: Place | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route asks for, read leniently, so that even an unreadable one keeps its URL closed.

    `ref` is None for the default gateway; `origin` and `path` are None where `from` is absent.
    `readable` is False where gatewayRef or from make no sense.
    """

    ref: tuple[str, str] | None = None
    place: Place | None = None
    readable: bool = True


def bind(
    item: Parsed,
    gateways: Mapping[str, ResolvedGateway],
    namespaces: Mapping[str, Mapping[str, str]],
) -> Bound:
    """Return where a route belongs; conflicts with other routes are the caller's to find."""
    manifest, asked = item.manifest, _asked(item)
    if not asked.readable and asked.ref is None:
        return Bound(None, None)
    gateway = (
        gateways.get("/".join(asked.ref)) if asked.ref is not None else default_gateway(gateways)
    )
    if gateway is None:
        return Bound(None, None, (_no_gateway(asked),))
    if gateway.gateway is None or gateway.config is None:
        said = f"the gateway {gateway.key} can't be read; mend it"
        return Bound(
            gateway.key, None, (_problem(Reason.GATEWAY_INVALID, said, "spec.gatewayRef"),)
        )
    if not asked.readable:
        return Bound(gateway.key, None)
    place = _place(manifest, asked, gateway, namespaces.get(manifest.meta.namespace, {}))
    if isinstance(place, Problem):
        return Bound(gateway.key, None, (place,))
    if is_reserved(place.path):
        said = f"the path {place.path} is the gateway's own; choose another in spec.from"
        return Bound(gateway.key, None, (_problem(Reason.RESERVED_PATH, said, "spec.from"),))
    return Bound(gateway.key, place)


def _asked(item: Parsed) -> Asked:
    if isinstance(item.resource, MCPRoute):
        spec = item.resource.spec
        ref = spec.gateway_ref
        return Asked(
            ref=None if ref is None else _reference(ref, item.manifest),
            place=None if spec.from_ is None else _from(spec.from_),
        )
    fields = item.manifest.spec
    if not isinstance(fields, dict):
        return Asked(readable=False)
    try:
        raw = fields.get("gatewayRef")
        ref = None if raw is None else GatewayRef.model_validate(raw)
    except pydantic.ValidationError:
        return Asked(readable=False)
    named = None if ref is None else _reference(ref, item.manifest)
    try:
        source = fields.get("from")
        place = None if source is None else _from(source if isinstance(source, str) else "")
        return Asked(ref=named, place=place)
    except ValueError:
        return Asked(ref=named, readable=False)


def _reference(ref: GatewayRef, manifest: Manifest) -> tuple[str, str]:
    return (ref.namespace or manifest.meta.namespace, ref.name)


def _from(text: str) -> Place:
    parts = split_url(text)
    if parts.query or parts.fragment:
        raise ValueError("from is a host, or a host and a path")
    path = check_path(parts.path)
    return Place(origin_of(parts), "" if path == "/" else path)


def _place(
    manifest: Manifest, asked: Asked, gateway: ResolvedGateway, labels: Mapping[str, str]
) -> Place | Problem:
    assert gateway.gateway is not None
    assert gateway.config is not None
    spec = gateway.gateway.spec
    if spec.loopback:
        served = gateway.config.public_url
        if asked.place is not None and asked.place.issuer == spec.public_url:
            return Place(served, asked.place.path)
        return Place(served, f"/{manifest.meta.namespace}/{manifest.meta.name}")
    listeners = spec.listeners or (_own_host(spec.public_url),)
    open_ = [
        listener
        for listener in listeners
        if gateway.admits(listener, manifest.meta.namespace, labels)
    ]
    if asked.place is None:
        return _default_place(manifest, gateway.config.public_url, open_)
    return _granted_place(asked.place, manifest, gateway, open_)


def _own_host(public_url: str) -> Listener:
    """Return the listener of a gateway that has none: its own host, for its own namespace."""
    host = split_url(public_url).hostname or ""
    return Listener.model_construct(name="public", hostname=host, allowed_routes=AllowedRoutes())


def _default_place(
    manifest: Manifest, public_url: str, listeners: list[Listener]
) -> Place | Problem:
    label = f"{manifest.meta.name}-{manifest.meta.namespace}"
    wildcard = next((item.hostname for item in listeners if item.hostname.startswith("*.")), None)
    if wildcard is None:
        said = "the gateway has no wildcard listener for this namespace; set spec.from"
        return _problem(Reason.HOST_NOT_ALLOWED, said, "spec.from")
    if len(label) > _MAX_LABEL:
        said = f"{label} is longer than {_MAX_LABEL} characters; set spec.from"
        return _problem(Reason.HOST_NOT_ALLOWED, said, "spec.from")
    parts = split_url(public_url)
    port = "" if parts.port is None else f":{parts.port}"
    return Place(origin_of(split_url(f"{parts.scheme}://{label}{wildcard[1:]}{port}")), "")


def _granted_place(
    place: Place, manifest: Manifest, gateway: ResolvedGateway, listeners: list[Listener]
) -> Place | Problem:
    assert gateway.config is not None
    asked, public = split_url(place.issuer), split_url(gateway.config.public_url)
    if (asked.scheme, asked.port) != (public.scheme, public.port):
        said = f"scheme and port must be those of the gateway's publicUrl, {origin_of(public)}"
        return _problem(Reason.HOST_NOT_ALLOWED, said, "spec.from")
    host = asked.hostname or ""
    if any(listener.covers(host) for listener in listeners):
        return place
    said = (
        f"no listener of the gateway {gateway.key} grants the host {host} "
        f"to namespace {manifest.meta.namespace}; ask for one, or choose another host"
    )
    return _problem(Reason.HOST_NOT_ALLOWED, said, "spec.from")


def _no_gateway(asked: Asked) -> Problem:
    said = (
        "no gateway is the default one; set spec.gatewayRef, or default: true on a gateway"
        if asked.ref is None
        else f"there is no MCPGateway {'/'.join(asked.ref)}"
    )
    return _problem(Reason.GATEWAY_NOT_FOUND, said, "spec.gatewayRef")


def _problem(reason: Reason, message: str, path: str) -> Problem:
    return Problem(condition=Condition.ACCEPTED, reason=reason, message=message, path=path)
