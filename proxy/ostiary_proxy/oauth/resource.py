"""Which route a `resource` names (RFC 8707, security decisions 2 and 3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ostiary.config.document import Config, Route

__all__ = ["DEFAULT_SCOPE", "InvalidTarget", "Site", "canonical", "sites"]

DEFAULT_SCOPE: Final = "mcp"
"""The one scope of every route; what a call needs beyond it is policy's (security decision 4)."""

_PORTS: Final = {"https": 443, "http": 80}


class InvalidTarget(ValueError):  # noqa: N818 - the name of the OAuth error
    """The resource is missing, repeated or none of this issuer's; the text is safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One origin: an issuer and the routes behind it."""

    issuer: str
    routes: tuple[Route, ...]

    def route_of(self, resources: Iterable[str]) -> Route:
        """Return the route that the `resource` parameters name; raises InvalidTarget.

        Exactly one parameter, or none where the origin has one route only.
        """
        named = list(resources)
        if len(named) > 1:
            raise InvalidTarget("name exactly one resource")
        if not named:
            if len(self.routes) != 1:
                raise InvalidTarget("name the resource: this server protects several")
            return self.routes[0]
        asked = canonical(named[0])
        for route in self.routes:
            if asked is not None and canonical(route.url) == asked:
                return route
        raise InvalidTarget("the resource is not protected by this server")

    def route_at(self, path: str) -> Route | None:
        """Return the route whose URL has exactly this raw path; an empty path equals `/`."""
        wanted = path or "/"
        return next((route for route in self.routes if path_of(route) == wanted), None)


def sites(config: Config) -> Mapping[str, Site]:
    """Return every issuer of `config` with its routes, the gateway's own origin included."""
    by_issuer: dict[str, list[Route]] = {origin_of(config.gateway.public_url): []}
    for route in config.routes:
        by_issuer.setdefault(route.issuer, []).append(route)
    return {
        issuer: Site(issuer=issuer, routes=tuple(routes)) for issuer, routes in by_issuer.items()
    }


def origin_of(url: str) -> str:
    """Return scheme and authority of an absolute URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def path_of(route: Route) -> str:
    """Return the raw path of a route's URL, at least `/`."""
    return urlsplit(route.url).path or "/"


def canonical(url: str) -> str | None:
    """Return the form in which resources compare, or None for what can't be one.

    Scheme and host are lower-cased, a default port is dropped, an empty path is `/`: nothing else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if (
        not _is_plain(url)
        or parts.scheme not in _PORTS
        or not parts.hostname
        or "@" in parts.netloc
    ):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    authority = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    return f"{parts.scheme}://{authority}{parts.path or '/'}" + (
        f"?{parts.query}" if "?" in url else ""
    )


def _is_plain(url: str) -> bool:
    """Say that `url` has no fragment and no character that URL parsers strip or fold."""
    return (
        url.isascii()
        and "#" not in url
        and "\\" not in url
        and url.isprintable()
        and " " not in url
    )
