import asyncio
from dataclasses import replace

import pytest

from ostiary.config.document import HeaderAuth, InternalTokenAuth, NoAuth
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.upstream.calls import UpstreamCall
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from upstream_parts import (
    ANNA,
    AUTH,
    BEN,
    ISSUER,
    NOW,
    Clock,
    Log,
    Service,
    call,
    config,
    connect,
    context,
    presented,
    route,
)


async def bearer(credentials: UpstreamCredentials, one: UpstreamCall) -> str:
    headers = dict(await credentials.attach(one))
    return headers["authorization"].removeprefix("Bearer ")


async def refusal(credentials: UpstreamCredentials, one: UpstreamCall) -> Refused:
    with pytest.raises(Refused) as refused:
        await credentials.attach(one)
    return refused.value


async def test_a_route_without_credentials_attaches_nothing() -> None:
    credentials = UpstreamCredentials(context(Service()))
    open_route = route(NoAuth())

    await credentials.connected(open_route, presented(scopes=None))
    assert await credentials.attach(call(to=open_route)) == ()
    assert await credentials.rejected(call(to=open_route)) is False


async def test_a_header_credential_goes_under_its_name_with_its_prefix() -> None:
    credentials = UpstreamCredentials(context(Service()))
    to = route(HeaderAuth(name="X-Api-Key", value="fixed", prefix="Key "))

    assert await credentials.attach(call(to=to)) == (("x-api-key", "Key CANARY-fixed"),)


async def test_a_credential_that_is_not_in_the_bundle_closes_its_route_only() -> None:
    credentials = UpstreamCredentials(context(Service()))
    to = route(HeaderAuth(name="X-Api-Key", value="gone"))

    assert (await refusal(credentials, call(to=to))).code == "RouteClosed"


async def test_an_internal_token_is_minted_for_every_call() -> None:
    credentials = UpstreamCredentials(context(Service()))
    to = route(InternalTokenAuth(audience="https://up.example/mcp"))

    assert await bearer(credentials, call(to=to)) != await bearer(credentials, call(to=to))


async def test_without_an_account_the_refusal_carries_the_link_to_connect_one() -> None:
    credentials = UpstreamCredentials(context(Service()))

    refused = await refusal(credentials, call())

    assert refused.code == "AccountNotConnected"
    assert f"{ISSUER}/account/connect?route=apps%2Fgithub&for=" in refused.message
    assert isinstance(refused.data, dict)
    assert "anna" not in refused.message
    with pytest.raises(Refused, match="AccountNotConnected"):
        await credentials.connected(route(), presented())


async def test_a_connected_account_is_used_without_asking_the_service() -> None:
    service = Service()
    around = context(service)
    await connect(around)
    credentials = UpstreamCredentials(around)

    await credentials.connected(route(), presented())
    assert await bearer(credentials, call()) == "CANARY-access-1"
    assert service.refreshes == 0


async def test_a_client_whose_consent_does_not_cover_the_account_can_not_use_it() -> None:
    around = context(Service())
    await connect(around)
    credentials = UpstreamCredentials(around)

    for scopes in (None, (), ("other",)):
        refused = await refusal(credentials, call(scopes=scopes))
        assert (refused.code, "consent" in refused.message) == ("AccountNotConnected", True)


async def test_a_token_is_refreshed_a_bit_before_it_ends_and_the_rotated_one_is_kept() -> None:
    service, clock = Service(lifetime=600), Clock()
    around = context(service, clock=clock)
    await connect(around)
    credentials = UpstreamCredentials(around)

    clock.now = NOW + 539
    assert await bearer(credentials, call()) == "CANARY-access-1"
    clock.now = NOW + 541
    assert await bearer(credentials, call()) == "CANARY-access-2"
    clock.now = NOW + 541 + 541
    assert await bearer(credentials, call()) == "CANARY-access-3"
    assert service.live == {"CANARY-refresh-3"}


async def test_while_the_service_is_away_a_token_is_used_until_its_real_end() -> None:
    service, clock = Service(lifetime=600), Clock()
    around = context(service, clock=clock)
    await connect(around)
    credentials = UpstreamCredentials(around)
    service.broken = "connect"

    clock.now = NOW + 599
    assert await bearer(credentials, call()) == "CANARY-access-1"
    clock.now = NOW + 600
    assert (await refusal(credentials, call())).code == "UpstreamUnavailable"

    service.broken = None
    clock.now = NOW + 606
    assert await bearer(credentials, call()) == "CANARY-access-2"


async def test_a_service_that_is_away_is_not_asked_by_every_call() -> None:
    service, clock = Service(lifetime=600), Clock(NOW)
    around = context(service, clock=clock)
    await connect(around)
    credentials = UpstreamCredentials(around)
    clock.now = NOW + 550
    service.broken = "timeout"
    await credentials.attach(call())

    service.broken = None
    assert await bearer(credentials, call()) == "CANARY-access-1"
    assert service.refreshes == 0


async def test_a_grant_that_the_service_ended_makes_the_account_dead_and_says_connect() -> None:
    service, clock, log = Service(), Clock(), Log()
    around = context(service, clock=clock, log=log)
    await connect(around)
    service.live.clear()
    clock.now = NOW + 599
    credentials = UpstreamCredentials(around)

    assert (await refusal(credentials, call())).code == "AccountNotConnected"
    assert (await refusal(credentials, call())).code == "AccountNotConnected"
    assert service.refreshes == 1
    assert await Connector(around).needed(route(), ANNA) is True
    assert log.events == ["account-connected", "account-ended"]


async def test_a_401_from_upstream_refreshes_once_and_asks_for_one_more_try() -> None:
    service, clock = Service(), Clock()
    around = context(service, clock=clock)
    await connect(around)
    credentials = UpstreamCredentials(around)
    clock.now = NOW + 2
    calls = [call(now=NOW + 1) for _ in range(20)]

    again = await asyncio.gather(*(credentials.rejected(one) for one in calls))

    assert again == [True] * 20
    assert service.refreshes == 1
    assert await bearer(credentials, call()) == "CANARY-access-2"


async def test_a_401_for_a_token_without_refresh_ends_the_account() -> None:
    around = context(Service(rotating=False, lifetime=None))
    await connect(around)
    credentials = UpstreamCredentials(around)

    assert await credentials.rejected(call(now=NOW + 1)) is False
    assert (await refusal(credentials, call())).code == "AccountNotConnected"


async def test_a_token_without_refresh_and_end_is_used_for_ever() -> None:
    clock = Clock()
    around = context(Service(rotating=False, lifetime=None), clock=clock)
    await connect(around)
    clock.now = NOW + 10 * 365 * 86400

    assert await bearer(UpstreamCredentials(around), call()) == "CANARY-access-1"


async def test_a_401_while_the_service_is_away_asks_for_no_other_try() -> None:
    service = Service()
    around = context(service)
    await connect(around)
    service.broken = "connect"

    assert await UpstreamCredentials(around).rejected(call(now=NOW + 1)) is False


async def test_a_store_that_is_away_refuses_and_allows_nothing() -> None:
    class Away(MemoryStore):
        async def get(self, table: str, key: str) -> None:
            raise StoreUnavailable

    around = context(Service(), store=Away(Clock()))
    credentials = UpstreamCredentials(around)

    assert (await refusal(credentials, call())).code == "StoreUnavailable"
    with pytest.raises(Refused, match="StoreUnavailable"):
        await credentials.connected(route(), presented())
    with pytest.raises(Refused, match="StoreUnavailable"):
        await Connector(around).needed(route(), ANNA)


async def test_a_refresh_that_can_not_be_written_down_keeps_the_token_but_refuses_the_call() -> (
    None
):
    service, clock, log = Service(), Clock(), Log()
    around = context(service, clock=clock, log=log)
    await connect(around)
    clock.now = NOW + 590
    log.full = True
    credentials = UpstreamCredentials(around)

    assert (await refusal(credentials, call())).code == "AuditUnavailable"
    log.full = False
    assert await bearer(credentials, call()) == "CANARY-access-2"


async def test_disconnecting_forgets_the_account_and_revokes_it_at_the_service() -> None:
    service, log = Service(), Log()
    around = context(service, log=log)
    await connect(around)
    connector = Connector(around)

    assert await connector.disconnect(route(), ANNA) is True
    assert await connector.disconnect(route(), ANNA) is False
    assert await connector.disconnect(route(NoAuth()), ANNA) is False
    assert service.revoked == ["CANARY-refresh-1"]
    assert log.records[-1].facts["revoked_upstream"] is True
    assert (await refusal(UpstreamCredentials(around), call())).code == "AccountNotConnected"


async def test_an_account_that_was_asked_for_less_is_needed_again() -> None:
    around = context(Service())
    await connect(around)
    connector = Connector(around)
    wider = route(AUTH.model_copy(update={"scopes": ("repo", "admin")}))

    assert await connector.needed(route(), ANNA) is False
    assert await connector.needed(wider, ANNA) is True
    assert await connector.needed(route(), BEN) is True
    assert await connector.needed(route(NoAuth()), BEN) is False


async def test_a_disconnect_during_a_refresh_counts() -> None:
    class Interrupted(Service):
        async def send(self, request):
            if b"grant_type=refresh_token" in request.body:
                await connector.disconnect(route(), ANNA)
            return await super().send(request)

    service, clock = Interrupted(), Clock()
    around = context(service, clock=clock)
    connector = Connector(replace(around, http=context(Service()).http))
    await connect(around)
    clock.now = NOW + 590
    credentials = UpstreamCredentials(around)

    assert (await refusal(credentials, call())).code == "AccountNotConnected"
    assert service.live <= {"CANARY-refresh-1"}
    assert service.revoked == ["CANARY-refresh-2"]


async def test_the_configured_route_is_what_counts_for_a_link() -> None:
    around = context(Service(), configured=config(route(NoAuth())))

    with pytest.raises(Refused, match="FlowEnded"):
        Connector(around).opened(ISSUER, [("route", "apps/github"), ("for", "x")], person=ANNA)
