"""Dynamic client registration (RFC 7591): small, checked, nothing fetched (decision 11)."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.audit.record import Kind as RecordKind
from ostiary_proxy.oauth import clients, limits
from ostiary_proxy.oauth.answers import as_json
from ostiary_proxy.oauth.clients import AuthMethod, ClientRow
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.metadata import AUTH_METHODS
from ostiary_proxy.oauth.redirects import HOSTED, host_of, kind_of
from ostiary_proxy.oauth.resource import DEFAULT_SCOPE, Site
from ostiary_proxy.oauth.trail import note
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["Asked", "is_hosted", "parse", "register"]

LIMIT: Final = 8 * 1024
_URIS: Final = 10
_NAME: Final = 64
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_GRANTS: Final = ("authorization_code", "refresh_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A registration as the client asked for it, checked."""

    name: str
    redirect_uris: tuple[str, ...]
    method: AuthMethod
    application_type: str | None

    @property
    def hosted(self) -> bool:
        """Say whether every redirect URI is a callback of a known hosted client."""
        return all(is_hosted(uri) for uri in self.redirect_uris)


def is_hosted(uri: str) -> bool:
    """Say whether `uri` is a callback of a known hosted client."""
    return any(uri == known or (known.endswith("/") and uri.startswith(known)) for known in HOSTED)


def parse(body: bytes, allowed: Iterable[str]) -> Asked:
    """Return what `body` asks for; `allowed` are the gateway's further redirect URIs.

    Unknown members are ignored, as RFC 7591 says. Raises Refused: InvalidClientMetadata,
    InvalidRedirectUri.
    """
    try:
        document = read_json(body, max_depth=8)
    except Faulty as faulty:
        raise _invalid(f"the body {faulty}") from None
    if not isinstance(document, dict):
        raise _invalid("the body must be a JSON object")
    uris = _redirect_uris(document.get("redirect_uris"), tuple(allowed))
    _offers(document, "grant_types", "authorization_code")
    _offers(document, "response_types", "code")
    return Asked(
        name=_name(document.get("client_name"), uris[0]),
        redirect_uris=uris,
        method=_method(document.get("token_endpoint_auth_method")),
        application_type=_application_type(document.get("application_type")),
    )


def _redirect_uris(value: Json, allowed: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _URIS:
        raise Refused("InvalidRedirectUri", message=f"send 1 to {_URIS} redirect_uris")
    for uri in value:
        if not isinstance(uri, str) or kind_of(uri, allowed) is None:
            message = "a redirect URI must be https, loopback http, or allowed by this gateway"
            raise Refused("InvalidRedirectUri", message=message, detail=ascii(uri)[:200])
    return tuple(cast("list[str]", value))


def _offers(document: Mapping[str, Json], member: str, wanted: str) -> None:
    value = document.get(member)
    if value is not None and (not isinstance(value, list) or wanted not in value):
        raise _invalid(f"{member} must contain {wanted}")


def _name(value: Json, first: str) -> str:
    if value is not None and not isinstance(value, str):
        raise _invalid("client_name must be a string")
    name = unicodedata.normalize("NFC", value or "").strip()
    if len(name) > _NAME or any(unicodedata.category(letter) in _HIDDEN for letter in name):
        raise _invalid(f"client_name: at most {_NAME} characters, none of them hidden")
    return name or host_of(first)[:_NAME]


def _method(value: Json) -> AuthMethod:
    if value is None:
        return "client_secret_basic"  # RFC 7591 section 2: the default
    if value not in AUTH_METHODS:
        raise _invalid(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    return cast("AuthMethod", value)


def _application_type(value: Json) -> str | None:
    """Rule 93: echoed where it is known, never enforced."""
    return value if value in ("native", "web") else None


def _invalid(message: str) -> Refused:
    return Refused("InvalidClientMetadata", message=message[:200])


async def register(context: Context, site: Site, request: Incoming) -> Reply:
    """Answer `POST /register` with 201; raises Refused."""
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise _invalid("send Content-Type: application/json")
    asked = parse(await request.read(LIMIT), context.config.gateway.redirect_uris)
    await limits.charge_registration(context, request.source, hosted=asked.hosted)
    secret = None if asked.method == "none" else context.random()
    row = ClientRow(
        issuer=site.issuer,
        client_id=context.random()[:22],
        name=asked.name,
        redirect_uris=asked.redirect_uris,
        method=asked.method,
        secret_hash=None if secret is None else clients.secret_hash(context, secret),
        created=context.clock(),
    )
    await _note(context, row, request)
    await clients.register(context, row)
    return as_json(_answer(row, asked, secret), status=201)


async def _note(context: Context, row: ClientRow, request: Incoming) -> None:
    facts: dict[str, Json] = {
        "issuer": row.issuer,
        "client_id": row.client_id,
        "client_name": row.name,
        "redirect_hosts": [host_of(uri) for uri in row.redirect_uris],
    }
    await note(context, RecordKind.REGISTRATION, "client-registered", facts, source=request.source)


def _answer(row: ClientRow, asked: Asked, secret: str | None) -> Mapping[str, object]:
    """RFC 7591 section 3.2.1, without nulls: some clients refuse them."""
    answer: dict[str, object] = {
        "client_id": row.client_id,
        "client_id_issued_at": int(row.created),
        "client_name": row.name,
        "redirect_uris": list(row.redirect_uris),
        "grant_types": list(_GRANTS),
        "response_types": ["code"],
        "token_endpoint_auth_method": row.method,
        "scope": DEFAULT_SCOPE,
    }
    if asked.application_type is not None:
        answer["application_type"] = asked.application_type
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer
