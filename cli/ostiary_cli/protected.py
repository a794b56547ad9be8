"""What a protected MCP route says of itself, and registering there (RFC 9728, RFC 7591)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.oauth.resource import canonical
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import Fetched, HttpClient
from ostiary_proxy.outbound.relying_party import Metadata, is_secure

__all__ = ["NotProtected", "Protected", "ask_route", "register"]

_LIMIT: Final = 64 * 1024
_PARAMETER: Final = re.compile(r'(\w+)\s*=\s*"([^"\\]*)"')


class NotProtected(Exception):  # noqa: N818 - reads as a statement
    """The URL does not lead to an MCP server that wants an OAuth login; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A protected route: its resource identifier, its authorization server, its scopes."""

    resource: str
    issuer: str
    scopes: tuple[str, ...]


async def ask_route(url: str, http: HttpClient) -> Protected:
    """Return what the route at `url` demands: 401, then its metadata; raises NotProtected."""
    _check_secure(url, http)
    answer = await _get(url, http, accept="application/json, text/event-stream")
    if answer.status != 401:
        raise NotProtected(f"{url} answers {answer.status} where 401 and a challenge were expected")
    challenge = dict(_PARAMETER.findall(answer.headers.get("www-authenticate", "")))
    place = challenge.get("resource_metadata", _well_known(url))
    _check_secure(place, http)
    members = _object(await _get(place, http, accept="application/json"), place)
    resource, servers = members.get("resource"), members.get("authorization_servers")
    if not isinstance(resource, str) or canonical(resource) != canonical(url):
        raise NotProtected(f"{place} describes another resource ({str(resource)[:120]})")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], str):
        raise NotProtected(f"{place} names no authorization server")
    scopes = tuple(challenge.get("scope", "").split()) or _names(members.get("scopes_supported"))
    return Protected(resource=resource, issuer=servers[0], scopes=scopes)


async def register(metadata: Metadata, redirect_uri: str, http: HttpClient) -> str:
    """Return the client id of a new public client for `redirect_uri`; raises NotProtected."""
    if metadata.registration_endpoint is None:
        raise NotProtected(f"{metadata.issuer} lets no client register itself")
    wanted = {
        "client_name": "ostiary login",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    request = Outgoing(
        method="POST",
        url=metadata.registration_endpoint,
        headers=(("accept", "application/json"), ("content-type", "application/json")),
        body=json.dumps(wanted).encode(),
        named_by="platform",
        timeout=10.0,
    )
    members = _object(await _fetch(request, http), metadata.registration_endpoint)
    client_id = members.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise NotProtected(f"{metadata.registration_endpoint} gave no client_id")
    return client_id


def _check_secure(url: str, http: HttpClient) -> None:
    if not is_secure(url, allow_loopback=http.allow_loopback):
        raise NotProtected(f"{url[:200]} is not https, and a login needs that")


async def _get(url: str, http: HttpClient, *, accept: str) -> Fetched:
    request = Outgoing(
        method="GET", url=url, headers=(("accept", accept),), named_by="platform", timeout=10.0
    )
    return await _fetch(request, http)


async def _fetch(request: Outgoing, http: HttpClient) -> Fetched:
    try:
        return await http.fetch(request, _LIMIT)
    except OutboundFailed as failed:
        raise NotProtected(f"{request.url} does not answer: {failed}") from failed


def _object(answer: Fetched, place: str) -> Mapping[str, Json]:
    try:
        value = read_json(answer.body)
    except Faulty:
        value = None
    if answer.status not in {200, 201} or not isinstance(value, dict):
        said = (
            value.get("error_description") or value.get("error")
            if isinstance(value, dict)
            else None
        )
        raise NotProtected(f"{place} answers {answer.status}" + (f": {said}" if said else ""))
    return value


def _well_known(url: str) -> str:
    """Return where RFC 9728 puts the metadata of a resource whose challenge doesn't say."""
    parts = urlsplit(url)
    path = "" if parts.path == "/" else parts.path
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}"


def _names(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
