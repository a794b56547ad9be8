"""What every part of the upstream side shares: configuration, credentials, keys, store, log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ostiary.config.document import Config, OAuth2Auth, Route
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditLog, Kind, Record
from ostiary_proxy.identity import Person
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.relying_party import Provider
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Clock, Store

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`credentials` are the bundle's; `clock` gives epoch seconds.

    `new_id` ids of audit records.
    """

    config: Config
    credentials: Mapping[str, Secret]
    rings: Rings
    store: Store
    log: AuditLog
    http: HttpClient
    clock: Clock
    entropy: Entropy
    new_id: Callable[[], str]

    def credential(self, name: str) -> Secret:
        """Return a credential of the bundle; raises Refused(RouteClosed) where it is not there."""
        found = self.credentials.get(name)
        if found is None:
            raise Refused("RouteClosed", detail=f"the bundle holds no credential {name}")
        return found

    def provider(self, auth: OAuth2Auth) -> Provider:
        """Return the authorization server of a route with our registration there."""
        return Provider(
            issuer=auth.issuer,
            authorization_endpoint=auth.authorization_endpoint,
            token_endpoint=auth.token_endpoint,
            revocation_endpoint=auth.revocation_endpoint,
            client_id=auth.client_id,
            client_secret=self.credential(auth.client_secret) if auth.client_secret else None,
            auth_style=auth.auth_style,
            scopes=auth.scopes,
            resource=auth.resource,
            named_by="route",
        )

    async def note(
        self, event: str, route: Route, person: Person, facts: Mapping[str, Json]
    ) -> None:
        """Write one record about an account; raises AuditUnavailable.

        `event` is a stable word: account-connected, account-refused, account-refreshed,
        account-ended, account-disconnected.
        """
        await self.log.write(
            Record(
                id=self.new_id(),
                kind=Kind.ACCOUNT,
                at=self.clock(),
                facts={"event": event, "route": route.server_key, **facts},
                personal={"identity_issuer": person.issuer, "subject": person.subject},
            )
        )
