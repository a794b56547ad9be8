"""Asks the Redis of a gateway whether proxies can use it: a lease is taken there and let go."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from ostiary.config.document import Gateway
from ostiary.crypto.secret import Secret
from ostiary_cli.finding import Finding, bad, good, odd
from ostiary_proxy.store.chosen import StorageAsked
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["examine_store"]

_LEASE: Final = "doctor"
_SECONDS: Final = 1.0
_MEND: Final = (
    "check host, port, user and password in the Secret that spec.storage.urlSecretRef names; "
    "names inside a cluster resolve there only"
)


async def examine_store(
    gateway: Gateway, credentials: Mapping[str, Secret], clock: Callable[[], float]
) -> list[Finding]:
    """Return what there is to say about the gateway's Redis; nothing where it has none."""
    if gateway.storage.type != "Redis":
        return []
    key = f"{gateway.namespace}/{gateway.name}"
    subject = f"gateway {key}"
    try:
        from ostiary_proxy.store.redis import RedisStore
        from ostiary_proxy.store.redis_server import RedisServer, RedisUrl
    except ModuleNotFoundError:
        return [odd(subject, "its Redis was not asked", "pip install 'ostiary[redis]'")]
    try:
        asked = StorageAsked.of(gateway.storage, credentials)
        assert asked.url is not None
        server = RedisServer(RedisUrl.of(asked.url, asked.ca_bundle))
    except ValueError as error:
        said, _, mend = str(error).partition("; ")
        return [bad(subject, said, mend)]
    store, holder = RedisStore(server, key, clock), os.urandom(8).hex()
    try:
        await store.acquire(_LEASE, holder, _SECONDS)
        await store.release(_LEASE, holder)
        advice = await server.advice()
    except StoreUnavailable as failed:
        return [bad(subject, str(failed), _MEND)]
    finally:
        await store.close()
    answers = good(subject, f"Redis at {server.name} takes what proxies write")
    return [answers, *(odd(subject, f"Redis at {server.name}: {told}") for told in advice)]
