"""The store that a bundle asks for; a process chooses once, at its start."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ostiary.config.document import Storage
from ostiary.crypto.secret import Secret
from ostiary_proxy.store.port import Clock, Store
from ostiary_proxy.store.sqlite import SqliteStore
from ostiary_proxy.store.wakes import LocalWakes, Wakes

__all__ = ["Chosen", "StorageAsked", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageAsked:
    """What a bundle says of its storage, with the values of the credentials that it names."""

    type: str
    url: Secret | None
    ca_bundle: Secret | None

    @classmethod
    def of(cls, storage: Storage, values: Mapping[str, Secret]) -> "StorageAsked":
        """Return it; raises ValueError where a value is missing."""
        named = [name for name in (storage.url, storage.ca_bundle) if name is not None]
        if (storage.type == "Redis" and storage.url is None) or not values.keys() >= {*named}:
            raise ValueError("storage: its Secret is missing; create it")
        return cls(
            type=storage.type,
            url=values[storage.url] if storage.url else None,
            ca_bundle=values[storage.ca_bundle] if storage.ca_bundle else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A store, how its replicas wake each other, and what to tell about its server."""

    store: Store
    wakes: Wakes
    advice: Callable[[], Awaitable[Sequence[str]]]

    async def close(self) -> None:
        """Close the wakes, then the store."""
        await self.wakes.close()
        await self.store.close()


def choose(asked: StorageAsked, gateway: str, *, file: Path, clock: Clock) -> Chosen:
    """Return the store of `gateway` (its `namespace/name`), nothing of it open yet.

    `file` is that of SQLite. Raises ValueError where what is asked for can't be.
    """
    if asked.url is None:
        return Chosen(store=SqliteStore(file, clock), wakes=LocalWakes(), advice=_none)
    try:
        from ostiary_proxy.store.redis import RedisStore
        from ostiary_proxy.store.redis_server import RedisServer, RedisUrl
        from ostiary_proxy.store.redis_wakes import RedisWakes
    except ModuleNotFoundError:
        raise ValueError("storage.type Redis needs: pip install 'ostiary[redis]'") from None
    server = RedisServer(RedisUrl.of(asked.url, asked.ca_bundle))
    return Chosen(
        store=RedisStore(server, gateway, clock),
        wakes=RedisWakes(server, gateway),
        advice=server.advice,
    )


async def _none() -> Sequence[str]:
    return ()
