"""Registered MCP clients as rows, and how they prove themselves at the token endpoint."""

import base64
import hashlib
import hmac
import re
from typing import Final, Literal
from urllib.parse import unquote_plus

from ostiary.decode.json_text import canonical_json
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import Parameters
from ostiary_proxy.oauth.kept import Kept, load, save
from ostiary_proxy.oauth.redirects import matches
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict
from ostiary_proxy.wire import Incoming

__all__ = ["AuthMethod", "ClientRow", "authenticate", "client_of", "keep_alive", "register"]

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]
TABLE: Final = "client"
UNUSED: Final = 24 * 3600.0
"""Seconds that a registration lives until a person consents to it."""
USED: Final = 90 * 86400.0
"""Seconds that a consented registration lives after its last use."""
_DAY: Final = 86400.0
_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SECRET: Final = "client-secret"  # noqa: S105 - a label that keeps hashes apart


class ClientRow(Kept):
    """One registration at one issuer. `touched` is when its end was last put off."""

    issuer: str
    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    method: AuthMethod
    secret_hash: str | None = None
    created: float
    touched: float | None = None

    @property
    def digest(self) -> str:
        """Return the digest of what people consent to (security decision 8)."""
        shown = {"name": self.name, "uris": list(self.redirect_uris), "method": self.method}
        return hashlib.sha256(canonical_json(shown)).hexdigest()

    def redirect(self, asked: str) -> bool:
        """Say whether `asked` is one of the registered redirect URIs."""
        return any(matches(registered, asked) for registered in self.redirect_uris)


async def register(context: Context, row: ClientRow) -> None:
    """Store a new registration, which ends in a day unless somebody consents to it."""
    expires = context.clock() + UNUSED
    await save(
        context.store, TABLE, _key(row.issuer, row.client_id), row, expires=expires, version=0
    )


async def client_of(context: Context, issuer: str, client_id: str) -> ClientRow | None:
    """Return the client, or None where this issuer doesn't know it (any more)."""
    if not _ID.fullmatch(client_id):
        return None
    found = await load(context.store, TABLE, _key(issuer, client_id), ClientRow)
    return None if found is None else found[0]


async def keep_alive(context: Context, row: ClientRow) -> None:
    """Put off the end of a client that is in use; at most one write a day."""
    now = context.clock()
    if row.touched is not None and now - row.touched < _DAY:
        return
    key = _key(row.issuer, row.client_id)
    found = await load(context.store, TABLE, key, ClientRow)
    if found is None:
        return
    touched = found[0].model_copy(update={"touched": now})
    try:
        await save(context.store, TABLE, key, touched, expires=now + USED, version=found[1])
    except Conflict:
        return  # somebody else has just done it


def secret_hash(context: Context, secret: str) -> str:
    """Return the form in which a client secret is stored."""
    return context.hashed(_SECRET, secret)


async def authenticate(
    context: Context, issuer: str, request: Incoming, form: Parameters
) -> ClientRow:
    """Return the client that sent `request`, proven by the very method it registered (rule 91).

    Raises Refused: InvalidClient (unknown, forgotten, wrong secret, another method).
    """
    method, client_id, secret = _presented(request, form)
    row = await client_of(context, issuer, client_id)
    if row is None:
        raise _invalid(method, f"unknown client {client_id[:64]!a}")
    if row.method != method:
        raise _invalid(method, f"authenticates by {method}, registered {row.method}")
    if row.secret_hash is not None and not _is_secret(context, row.secret_hash, secret):
        raise _invalid(method, "wrong secret")
    return row


def _is_secret(context: Context, stored: str, secret: str) -> bool:
    hashes = context.hashes(_SECRET, secret)
    return any(hmac.compare_digest(stored, candidate) for candidate in hashes)


def _presented(request: Incoming, form: Parameters) -> tuple[AuthMethod, str, str]:
    basic = request.header("authorization")
    if basic is not None:
        if request.repeated("authorization") or "client_secret" in form:
            raise Refused("InvalidOAuthRequest", message="authenticate in one way only")
        client_id, secret = _basic(basic)
        if form.get("client_id", client_id) != client_id:
            raise Refused("InvalidOAuthRequest", message="two different client ids")
        return "client_secret_basic", client_id, secret
    if "client_secret" in form:
        return "client_secret_post", form.required("client_id"), form["client_secret"]
    return "none", form.required("client_id"), ""


def _basic(header: str) -> tuple[str, str]:
    """Read RFC 6749 section 2.3.1: both halves are form-encoded before they are joined."""
    scheme, _, credentials = header.partition(" ")
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError:
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _invalid("client_secret_basic", "unreadable Authorization header")
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid(method: AuthMethod, detail: str) -> Refused:
    challenge = (("www-authenticate", 'Basic realm="token"'),)
    headers = challenge if method == "client_secret_basic" else ()
    return Refused("InvalidClient", detail=detail, headers=headers)


def _key(issuer: str, client_id: str) -> str:
    return f"{issuer} {client_id}"
