"""What `ostiary dev` shows: routes with their URLs and states, and what to register elsewhere."""

from collections.abc import Iterator, Sequence

from ostiary.config.document import OAuth2Auth, Route
from ostiary_cli.dev.development import Serving

__all__ = ["describe"]


def describe(serving: Serving) -> str:
    """Return the table of routes, then callback URLs, then whatever isn't as it was asked for."""
    parts = [
        "\n".join(_columns([("ROUTE", "STATE", "URL"), *map(_row, _routes(serving))])),
        "\n".join(_callbacks(serving)),
        "\n".join((*serving.findings, *serving.faults)),
    ]
    return "\n\n".join(part for part in parts if part)


def _routes(serving: Serving) -> Sequence[Route]:
    return serving.bundle.config.routes


def _row(route: Route) -> tuple[str, str, str]:
    if route.closed is not None:
        state = f"closed: {route.closed.reason}"
    elif route.suspended:
        state = "suspended"
    else:
        state = "ready" if route.policies else "refuses all: no policy"
    return route.key, state, route.url


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _callbacks(serving: Serving) -> Iterator[str]:
    provider = serving.bundle.config.gateway.identity_provider
    if provider is not None and not provider.development:
        yield f"Register {serving.public_url}/login/callback at {provider.issuer}"
    for server in (server for route in _routes(serving) for server in route.servers):
        if isinstance(server.auth, OAuth2Auth):
            callback = f"{server.issuer}/account/callback"
            yield f"Register {callback} at {server.auth.issuer} ({server.server_key})"
