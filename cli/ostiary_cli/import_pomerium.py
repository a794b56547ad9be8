"""`ostiary import pomerium FILE`: another proxy's routes become MCPRoutes, as they are written.

Printed are the routes, the Secrets to create (values as `${NAME}`, which `ostiary dev` fills from
the environment), and a policy to start from: it allows one group, and nothing else.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import click
from pydantic import Field

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.model import Model, validate
from ostiary.decode.yaml_documents import read_documents
from ostiary_cli.yaml_text import write_documents

__all__ = ["command", "convert"]

_API: Final = "ostiary.dev/v1alpha1"
_MAX_SIZE: Final = 1024 * 1024


class _Endpoint(Model):
    auth_url: str
    token_url: str
    auth_style: Literal["InHeader", "InParams"] | None = None


class _UpstreamOAuth2(Model):
    client_id: str
    client_secret: str | None = None
    scopes: tuple[str, ...] = ()
    endpoint: _Endpoint | None = None


class _Mcp(Model):
    upstream_oauth2: _UpstreamOAuth2 | None = Field(default=None, alias="upstream_oauth2")


class _Route(Model):
    from_: str = Field(alias="from")
    to: str
    name: str | None = None
    mcp: _Mcp


class _File(Model):
    routes: Annotated[tuple[_Route, ...], Field(min_length=1, max_length=1000)]


@click.group(name="import")
def command() -> None:
    """Turn another proxy's configuration into Ostiary's kinds."""


@command.command(
    epilog="""\b
Examples:
  ostiary import pomerium config.yaml > gateway/routes.yaml
  ostiary import pomerium config.yaml --namespace team-a --group engineering
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--namespace", default="default", show_default=True, help="Where the objects go.")
@click.option("--group", default="engineering", show_default=True, help="Who may use the routes.")
def pomerium(file: Path, namespace: str, group: str) -> None:
    """Print MCPRoutes, the Secrets to create and a starting MCPPolicy for the routes in FILE.

    Routes without `mcp` are no MCP servers and are named as faults. Exit code 1 on faults.
    """
    try:
        click.echo(convert(_read(file), str(file), namespace=namespace, group=group), nl=False)
    except Faulty as faulty:
        for fault in faulty.faults:
            click.echo(str(fault), err=True)
        raise SystemExit(1) from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(_MAX_SIZE)
    except OSError as error:
        said = f"can't be read: {error.strerror}"
        raise Faulty([Fault(path="", file=str(file), message=said)]) from None


def convert(text: bytes, file: str, *, namespace: str, group: str) -> str:
    """Return the YAML that the routes in `text` come to; raises Faulty with every fault placed."""
    documents = read_documents(text, file)
    if len(documents) != 1:
        said = f"holds {len(documents)} documents; one with `routes` is expected"
        raise Faulty([Fault(path="", file=file, message=said)])
    try:
        routes = validate(_File, documents[0].value).routes
        names = [_object_name(route, index) for index, route in enumerate(routes)]
        _refuse_twins(names)
    except Faulty as faulty:
        raise Faulty(documents[0].locate(faulty.faults)) from None
    objects: list[Any] = []
    for name, route in zip(names, routes, strict=True):
        secret = _secret(name, namespace, route)
        objects += [_mcp_route(name, namespace, route), *([secret] if secret else [])]
    objects.append(_policy(names, namespace, group))
    return write_documents(objects)


def _object_name(route: _Route, index: int) -> str:
    """Return an object name made of the host that the route is served at."""
    host = urlsplit(route.from_).hostname
    if urlsplit(route.from_).scheme not in ("http", "https") or not host:
        said = "is not a URL; write it like https://mcp.example.com"
        raise Faulty([Fault(path=f"routes[{index}].from", message=said)])
    return re.sub(r"[^a-z0-9-]", "-", host.split(".")[0].lower()).strip("-") or "route"


def _refuse_twins(names: Sequence[str]) -> None:
    faults = [
        Fault(path=f"routes[{index}].from", message=f"its object would be a second {name!r}")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if faults:
        raise Faulty(faults)


def _meta(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace}


def _mcp_route(name: str, namespace: str, route: _Route) -> dict[str, Any]:
    spec: dict[str, Any] = {"from": route.from_, "to": route.to}
    if route.name:
        spec["name"] = route.name
    oauth2 = route.mcp.upstream_oauth2
    spec["mcp"] = {"upstreamOAuth2": _oauth2(name, route, oauth2)} if oauth2 else {}
    return {
        "apiVersion": _API,
        "kind": "MCPRoute",
        "metadata": _meta(name, namespace),
        "spec": spec,
    }


def _oauth2(name: str, route: _Route, oauth2: _UpstreamOAuth2) -> dict[str, Any]:
    """Return the route's upstream OAuth; without an endpoint it is GitHub's, as it was there."""
    named: dict[str, Any] = {"clientIdRef": {"name": f"{name}-oauth", "key": "client-id"}}
    if oauth2.client_secret is not None:
        named["clientSecretRef"] = {"name": f"{name}-oauth", "key": "client-secret"}
    if oauth2.scopes:
        named["scopes"] = list(oauth2.scopes)
    if oauth2.endpoint is not None:
        return {**named, "endpoint": oauth2.endpoint.plain()}
    if "github" not in f"{route.from_} {route.to}".lower():
        said = "has no endpoint, and only GitHub's is known; add auth_url and token_url"
        raise Faulty([Fault(path="", message=f"{name}: upstream_oauth2 {said}")])
    return {**named, "provider": "GitHub"}


def _secret(name: str, namespace: str, route: _Route) -> dict[str, Any] | None:
    """Return the Secret of a route's OAuth client; values stay as written, `${NAME}` included."""
    oauth2 = route.mcp.upstream_oauth2
    if oauth2 is None:
        return None
    values = {"client-id": oauth2.client_id, "client-secret": oauth2.client_secret}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            **_meta(f"{name}-oauth", namespace),
            "labels": {"ostiary.dev/credential": "true"},
        },
        "stringData": {key: value for key, value in values.items() if value is not None},
    }


def _policy(names: Sequence[str], namespace: str, group: str) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "MCPPolicy",
        "metadata": _meta("imported-routes", namespace),
        "spec": {
            "targetRefs": [
                {"group": "ostiary.dev", "kind": "MCPRoute", "name": name} for name in names
            ],
            "rules": [
                {"name": "start-with-one-group", "effect": "Allow", "who": {"groups": [group]}}
            ],
        },
    }
