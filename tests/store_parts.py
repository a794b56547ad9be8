"""Stores for tests."""

import itertools
from collections.abc import Callable

from ostiary.crypto.secret import Secret
from ostiary_proxy.store.redis import RedisStore
from ostiary_proxy.store.redis_server import RedisServer, RedisUrl
from real_parts import RedisPart

__all__ = ["GATEWAYS", "redis_store"]

GATEWAYS = (f"tests/gateway-{number}" for number in itertools.count())
"""Names, each for one test or example, so that many can share one server."""


def redis_store(
    part: RedisPart, clock: Callable[[], float], *, gateway: str = "tests/gateway"
) -> RedisStore:
    """Return a store of `gateway` on a running server."""
    return RedisStore(RedisServer(RedisUrl.of(Secret(part.url), None)), gateway, clock)
