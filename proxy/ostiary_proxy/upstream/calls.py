"""The token of ours that an upstream gets for one call.

And for nothing else (security decision 6).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Gateway, InternalTokenAuth, Route
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary_proxy.identity import Person, Presented

__all__ = ["UpstreamCall", "internal_issuer", "mint"]

_LONGEST: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCall:
    """One forward that needs a credential: for whom, for what, over which bytes (decision 6).

    `http_method` is POST, GET or DELETE; `method`, `name` and `rpc_id` are the JSON-RPC ones where
    there are any; `txn` is the audit record's id; `session` a keyed hash of the MCP session id,
    never the id. `system` marks a question that is the gateway's own.
    """

    route: Route
    presented: Presented
    http_method: str
    body: bytes
    txn: str
    now: float
    method: str | None = None
    name: str | None = None
    rpc_id: int | str | None = None
    session: str | None = None
    system: bool = False


def internal_issuer(gateway: Gateway) -> str:
    """Return the issuer of internal tokens: never that of access tokens."""
    return f"{gateway.public_url.rstrip('/')}/internal"


def mint(
    call: UpstreamCall,
    auth: InternalTokenAuth,
    *,
    gateway: Gateway,
    rings: Rings,
    entropy: Entropy,
) -> str:
    """Return a fresh token for `call`.

    It ends after the gateway's `internalTtl`, 60 s at most, and with the access token it stands
    for.
    """
    now = int(call.now)
    life = min(gateway.tokens.internal_ttl, _LONGEST)
    claims = {
        "iss": internal_issuer(gateway),
        "aud": auth.audience,
        "sub": _subject(call.presented.grant.person, auth, rings),
        "client_id": call.presented.grant.client.id,
        "act": {"sub": call.presented.grant.client.id},
        "route": call.route.key,
        "kind": "system" if call.system else None,
        "sid": call.session,
        "jti": entropy(16).hex(),
        "txn": call.txn,
        "iat": now,
        "exp": int(min(now + life, call.presented.expires)),
        "mcp": _present({"method": call.method, "name": call.name, "id": call.rpc_id}),
        "htm": call.http_method,
        "body_sha256": hashlib.sha256(call.body).hexdigest(),
    }
    return rings.internal.sign(_present(claims))


def _present(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _subject(person: Person, auth: InternalTokenAuth, rings: Rings) -> str:
    """Return the person's subject, or a name of theirs that only this audience knows them by."""
    if not auth.pairwise_subject:
        return person.subject
    known_as = f"{person.issuer}\0{person.subject}\0{auth.audience}"
    return rings.seal.steady_hash("pairwise subject", known_as)
