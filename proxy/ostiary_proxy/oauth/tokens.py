"""The token endpoint: codes and refresh tokens become access tokens (RFC 6749, rules 84-91)."""

import contextlib
from dataclasses import dataclass

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import Kind
from ostiary_proxy.oauth import clients, codes, grants, refresh
from ostiary_proxy.oauth.access import mint
from ostiary_proxy.oauth.answers import as_json
from ostiary_proxy.oauth.clients import ClientRow
from ostiary_proxy.oauth.codes import CodeRow
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import Parameters, read_form
from ostiary_proxy.oauth.grants import GrantRow
from ostiary_proxy.oauth.refresh import Rotated, Verdict
from ostiary_proxy.oauth.resource import Site, canonical
from ostiary_proxy.oauth.trail import note
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["revoke", "token"]

_TRIES = 5
"""How often a refresh starts again because another replica wrote the grant in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """One token request with its proven client."""

    context: Context
    site: Site
    request: Incoming
    form: Parameters
    client: ClientRow


async def token(context: Context, site: Site, request: Incoming) -> Reply:
    """Answer `POST /token`; raises Refused."""
    form = await read_form(request)
    client = await clients.authenticate(context, site.issuer, request, form)
    asking = _Asking(context=context, site=site, request=request, form=form, client=client)
    grant_type = form.required("grant_type")
    if grant_type == "authorization_code":
        return await _redeem(asking)
    if grant_type == "refresh_token":
        return await _refresh(asking)
    raise Refused("UnsupportedGrantType")


async def _redeem(asking: _Asking) -> Reply:
    context, form = asking.context, asking.form
    found = await codes.code_of(context, form.required("code"))
    if found is None:
        raise Refused("InvalidGrant", detail="unknown or expired code")
    key, row, version = found
    _refuse_other_client(asking, row.issuer, row.client_id)
    if row.gid is not None:
        raise await _replayed(context, row, row.gid)
    _check_code(asking, row)
    gid = grants.new_gid(context, row.person.person())
    try:
        await codes.redeemed(context, key, row.model_copy(update={"gid": gid}), version)
    except Conflict:
        raise Refused("InvalidGrant", detail="the code is being redeemed elsewhere") from None
    return await _begin(asking, row, gid)


def _check_code(asking: _Asking, row: CodeRow) -> None:
    form = asking.form
    if form.get("redirect_uri", row.redirect_uri) != row.redirect_uri:
        raise Refused("InvalidGrant", detail="another redirect_uri")
    if not codes.proves(row.challenge, form.required("code_verifier")):
        raise Refused("InvalidGrant", detail="wrong code_verifier")
    _check_resource(asking, row.route, row.resource)


async def _replayed(context: Context, row: CodeRow, gid: str) -> Refused:
    """Security decision 10: a replayed code kills its family, even one that is just being made."""
    if not await grants.revoke_grant(context, gid, reason="code-replayed"):
        dead = _grant_of(context, row, gid).model_copy(update={"revoked": "code-replayed"})
        with contextlib.suppress(Conflict):  # there, and dead already
            await grants.write(context, dead, version=0)
    return Refused("InvalidGrant", detail="code replayed")


async def _begin(asking: _Asking, row: CodeRow, gid: str) -> Reply:
    """Make the grant that a code stands for."""
    context = asking.context
    if await grants.cut_off(context, row.person.person(), row.issuer, row.client_id) >= row.created:
        raise Refused("InvalidGrant", detail="revoked since")
    first = refresh.begin(context.rings.seal, gid, context.entropy)
    made = _grant_of(context, row, gid)
    made = made.turned(first.family, expires=made.expires)
    try:
        await grants.write(context, made, version=0)
    except Conflict:
        raise Refused("InvalidGrant", detail="code replayed") from None
    return await _issue(asking, made, first, event="token-issued")


def _grant_of(context: Context, row: CodeRow, gid: str) -> GrantRow:
    now = context.clock()
    return GrantRow(
        gid=gid,
        issuer=row.issuer,
        person=row.person,
        client_id=row.client_id,
        client_name=row.client_name,
        resource=row.resource,
        route=row.route,
        scopes=row.scopes,
        upstream_scopes=row.upstream_scopes,
        created=now,
        expires=now + context.config.gateway.tokens.refresh_ttl,
    )


async def _refresh(asking: _Asking) -> Reply:
    presented = asking.form.required("refresh_token")
    gid = refresh.family_of(asking.context.rings.seal, presented)
    if gid is None:
        raise Refused("InvalidGrant", detail="not a refresh token of ours")
    for _ in range(_TRIES):
        try:
            return await _turn(asking, gid, presented)
        except Conflict:
            continue
    raise Refused("StoreUnavailable", detail="the grant is being written all the time")


async def _turn(asking: _Asking, gid: str, presented: str) -> Reply:
    """Rotate once; raises Conflict where another replica did it first, and then grace applies."""
    context = asking.context
    found = await grants.grant_of(context, gid)
    if found is None:
        raise Refused("InvalidGrant", detail="the grant has ended")
    row, version = found
    _refuse_other_client(asking, row.issuer, row.client_id)
    await _check_alive(asking, row)
    _check_resource(asking, row.route, row.resource)
    if not set(asking.form.get("scope", "").split()) <= set(row.scopes):
        raise Refused("InvalidScope")
    now = context.clock()
    turned = refresh.rotate(context.rings.seal, row.family, presented, now, context.entropy)
    if isinstance(turned, Verdict):
        await grants.revoke_grant(context, gid, reason="refresh-token-reused")
        raise Refused("InvalidGrant", detail="refresh token reused")
    if turned.changed:
        row = row.turned(turned.family, expires=now + context.config.gateway.tokens.refresh_ttl)
        await grants.write(context, row, version=version)
    return await _issue(asking, row, turned, event="token-refreshed")


async def _check_alive(asking: _Asking, row: GrantRow) -> None:
    """Refuse to refresh a revoked grant, a cut-off person or client (security decision 15)."""
    if row.revoked is not None:
        raise Refused("InvalidGrant", detail=f"revoked: {row.revoked}")
    person = row.person.person()
    if await grants.cut_off(asking.context, person, row.issuer, row.client_id) >= row.created:
        raise Refused("InvalidGrant", detail="revoked since")


async def _issue(asking: _Asking, row: GrantRow, turned: Rotated, *, event: str) -> Reply:
    context = asking.context
    await clients.keep_alive(context, asking.client)
    issued = mint(context, row)
    facts: dict[str, Json] = {
        "issuer": row.issuer,
        "route": row.route,
        "client_id": row.client_id,
        "gid": row.gid,
        "jti": issued.jti,
        "scopes": list(row.scopes),
        "asked_scope": asking.form.get("scope", "")[:200],
    }
    person, source = row.person.person(), asking.request.source
    await note(context, Kind.TOKEN, event, facts, person=person, source=source)
    return as_json(
        {
            "access_token": issued.text,
            "token_type": "Bearer",
            "expires_in": issued.seconds,
            "refresh_token": turned.issued,
            "scope": " ".join(row.scopes),
        }
    )


def _refuse_other_client(asking: _Asking, issuer: str, client_id: str) -> None:
    if (asking.site.issuer, asking.client.client_id) != (issuer, client_id):
        raise Refused("InvalidGrant", detail="issued to another client")


def _check_resource(asking: _Asking, route_key: str, resource: str) -> None:
    """Code and refresh requests inherit the resource and can't widen it (security decision 3)."""
    if not any(route.key == route_key and route.url == resource for route in asking.site.routes):
        raise Refused("InvalidGrant", detail="the route is gone")
    named = asking.form.resources
    if len(named) > 1 or any(canonical(name) != canonical(resource) for name in named):
        raise Refused("InvalidTarget", detail="another resource than the one consented to")


async def revoke(context: Context, site: Site, request: Incoming) -> Reply:
    """Answer `POST /revoke` (RFC 7009): 200 for tokens that are dead or unknown too.

    A token of either kind ends its whole grant: what the person sees is one thing.
    """
    form = await read_form(request)
    client = await clients.authenticate(context, site.issuer, request, form)
    gid = _gid_of(context, site, form.required("token"))
    found = None if gid is None else await grants.grant_of(context, gid)
    if found is not None and (found[0].issuer, found[0].client_id) == (
        site.issuer,
        client.client_id,
    ):
        await grants.revoke_grant(context, found[0].gid, reason="revoked-by-client")
    return as_json({})


def _gid_of(context: Context, site: Site, presented: str) -> str | None:
    gid = refresh.family_of(context.rings.seal, presented)
    if gid is not None:
        return gid
    for route in site.routes:
        try:
            claims = context.rings.access.verify(
                presented, iss=site.issuer, aud=route.url, now=context.clock()
            )
        except ValueError:
            continue
        return str(claims.get("gid"))
    return None
