"""Filling a planned bundle: the values of Secrets take the place of their names."""

from collections.abc import Mapping

from ostiary.config.document import Closed, Config, OAuth2Auth, Route, UpstreamAuth
from ostiary.crypto.secret import Secret
from ostiary.translate.problem import Reason
from ostiary.translate.render import PlannedBundle, close, credentials_of

__all__ = ["fill"]


def fill(
    planned: PlannedBundle, values: Mapping[tuple[str, str, str], Secret]
) -> tuple[Config, dict[str, Secret]]:
    """Return the complete configuration and its credentials, `values` by (namespace, name, key).

    A route whose value has gone since the plan is closed, so nothing runs without its credential.
    """
    credentials = {
        name: value
        for name, ref in planned.credentials.items()
        if (value := values.get((ref.namespace, ref.name, ref.key))) is not None
    }
    routes = tuple(_filled(route, planned, credentials, values) for route in planned.config.routes)
    return planned.config.model_copy(update={"routes": routes}), credentials


def _filled(
    route: Route,
    planned: PlannedBundle,
    credentials: Mapping[str, Secret],
    values: Mapping[tuple[str, str, str], Secret],
) -> Route:
    ours = {
        server.server_key: values.get((ref.namespace, ref.name, ref.key))
        for server in route.servers
        if (ref := planned.client_ids.get(server.server_key)) is not None
    }
    if credentials_of(route) - credentials.keys() or None in ours.values():
        return close(route, Closed(reason=Reason.SECRET_NOT_FOUND, message="a Secret has gone"))
    return _with_client_ids(route, ours) if ours else route


def _with_client_ids(route: Route, ours: Mapping[str, Secret | None]) -> Route:
    """Return `route` with our client ids, by `server_key`, filled in."""
    auths = [_with_client_id(one.auth, ours.get(one.server_key)) for one in route.servers]
    if route.backends is None:
        return route.model_copy(update={"auth": auths[0]})
    backends = tuple(
        one.model_copy(update={"auth": auth})
        for one, auth in zip(route.backends, auths, strict=True)
    )
    return route.model_copy(update={"backends": backends})


def _with_client_id(auth: UpstreamAuth, client_id: Secret | None) -> UpstreamAuth:
    if client_id is None or not isinstance(auth, OAuth2Auth):
        return auth
    return auth.model_copy(update={"client_id": client_id.reveal().strip()})
