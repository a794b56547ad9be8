"""A gateway before a server that answers with whatever bytes a test wants."""

from collections.abc import Iterator

import pytest

from gateway_parts import Gateway, dev, three_files
from hostile_parts import RawServer, raw_server


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: RawServer
) -> Iterator[Gateway]:
    """Serve `upstream` as the route `files`, under the module's `RULES`."""
    files = three_files(upstream.url, request.module.RULES)
    with dev(tmp_path_factory.mktemp("gateway"), files) as running:
        yield running


@pytest.fixture(scope="module")
def issued(gateway: Gateway) -> str:
    """Return an access token of alice's."""
    return gateway.log_in()
