"""What a client asks at `/authorize`: checked before anybody sees a page (rules 78-87)."""

from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Route
from ostiary_proxy.oauth.answers import describe, oauth_error, with_query
from ostiary_proxy.oauth.clients import ClientRow, client_of
from ostiary_proxy.oauth.codes import is_challenge
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import Parameters
from ostiary_proxy.oauth.redirects import Kind, kind_of
from ostiary_proxy.oauth.registration import is_hosted
from ostiary_proxy.oauth.resource import DEFAULT_SCOPE, InvalidTarget, Site
from ostiary_proxy.refused import Refused

__all__ = ["Asked", "Receiver", "asked", "error_location", "is_trusted", "receiver"]

_STATE: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where answers may go: a known client and one of its redirect URIs."""

    client: ClientRow
    redirect_uri: str
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A whole authorization request."""

    receiver: Receiver
    challenge: str
    route: Route
    scopes: tuple[str, ...]
    ask_again: bool


async def receiver(context: Context, site: Site, query: Parameters) -> Receiver:
    """Return who would receive the answer; raises Refused, which must not redirect (rule 82)."""
    client = await client_of(context, site.issuer, query.required("client_id"))
    if client is None:
        raise Refused("InvalidClient", detail="unknown client at authorize")
    uri = query.get("redirect_uri")
    if uri is None and len(client.redirect_uris) == 1:
        uri = client.redirect_uris[0]
    allowed = context.config.gateway.redirect_uris
    if uri is None or not client.redirect(uri) or kind_of(uri, allowed) is None:
        raise Refused("InvalidRedirectUri", detail=ascii(uri)[:200])
    state = query.get("state")
    if state is not None and len(state) > _STATE:
        raise Refused("InvalidOAuthRequest", message=f"state is longer than {_STATE} characters")
    return Receiver(client=client, redirect_uri=uri, state=state)


def asked(site: Site, query: Parameters, to: Receiver) -> Asked:
    """Return the request; raises Refused, which `to` may be told. Unknown scopes are dropped."""
    if query.get("response_type") != "code":
        raise Refused("UnsupportedResponseType")
    if query.get("response_mode", "query") != "query" or query.keys() & {"request", "request_uri"}:
        raise Refused("InvalidOAuthRequest", message="send plain parameters, response_mode=query")
    if query.get("code_challenge_method") != "S256" or not is_challenge(
        query.get("code_challenge", "")
    ):
        raise Refused("InvalidOAuthRequest", message="send a PKCE code_challenge, method S256")
    try:
        route = site.route_of(query.resources)
    except InvalidTarget as target:
        raise Refused("InvalidTarget", message=str(target)) from None
    if route.closed is not None or route.suspended:
        raise Refused("RouteClosed")
    return Asked(
        receiver=to,
        challenge=query["code_challenge"],
        route=route,
        scopes=(DEFAULT_SCOPE,),
        ask_again="consent" in query.get("prompt", "").split(),
    )


def is_trusted(context: Context, redirect_uri: str) -> bool:
    """Say whether an error may be sent there before a person has agreed to anything.

    Anybody can register a client: sending browsers to its URI unasked would make us an open
    redirector (rule 83, RFC 9700 section 4.11.2). The person's own machine, known hosted clients
    and what the gateway lists are fine.
    """
    allowed = context.config.gateway.redirect_uris
    return (
        kind_of(redirect_uri, allowed) is Kind.LOOPBACK
        or is_hosted(redirect_uri)
        or redirect_uri in allowed
    )


def error_location(issuer: str, to: Receiver, refused: Refused) -> str:
    """Return where a refusal is told to the client, with `iss` (RFC 9207)."""
    answer = {"error": oauth_error(refused), "error_description": describe(refused)}
    return with_query(to.redirect_uri, {**answer, "state": to.state, "iss": issuer})
