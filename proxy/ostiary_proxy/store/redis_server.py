"""Where a Redis or Valkey server is and how it is reached; every failure is StoreUnavailable.

Nothing is ever sent twice: after a lost answer nobody knows whether a code was taken or a limit
charged, so the caller is told that the store is away.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError

from ostiary.crypto.secret import Secret
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.store.redis_lane import RedisLane
from ostiary_proxy.store.redis_scripts import Script

__all__ = ["RedisServer", "RedisUrl"]

T = TypeVar("T")

_TIMEOUT: Final = 1.0
"""Seconds for each of: connecting, sending, an answer."""
_FORM: Final = "rediss://user:password@host:6379/0, or redis:// without TLS"
_ADVICE: Final = (
    ("role", "master", "this is a replica, which takes no writes: name the primary in the URL"),
    (
        "maxmemory_policy",
        "noeviction",
        "where memory is full, grants and limits are forgotten: set maxmemory-policy noeviction",
    ),
    (
        "aof_enabled",
        "1",
        "after a crash what was revoked since the last snapshot is alive: set appendonly yes",
    ),
)
"""What INFO says, what it should say, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """The parts of a server's URL; `ca_bundle` vouches for it beside the system's authorities."""

    tls: bool
    host: str
    port: int
    database: int
    username: str | None
    password: Secret | None
    ca_bundle: str | None

    @classmethod
    def of(cls, url: Secret, ca_bundle: Secret | None) -> "RedisUrl":
        """Return the parts; raises ValueError, whose text never holds any part of the URL."""
        try:
            parts = urlsplit(url.reveal().strip())
            database, port = int(parts.path.removeprefix("/") or 0), parts.port or 6379
        except ValueError:
            raise ValueError(f"storage.urlSecretRef holds no URL; write {_FORM}") from None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or database < 0:
            raise ValueError(f"storage.urlSecretRef holds no URL of a Redis; write {_FORM}")
        if parts.query or parts.fragment:  # the client library would take `ssl_cert_reqs` from it
            raise ValueError("storage.urlSecretRef: remove what follows ? or #; no option is taken")
        if ca_bundle is not None and parts.scheme != "rediss":
            raise ValueError("storage.caBundleRef is for rediss://; change the URL or remove it")
        return cls(
            tls=parts.scheme == "rediss",
            host=parts.hostname,
            port=port,
            database=database,
            username=unquote(parts.username) if parts.username else None,
            password=Secret(unquote(parts.password)) if parts.password else None,
            ca_bundle=_pem(ca_bundle) if ca_bundle is not None else None,
        )

    def pool(self) -> ConnectionPool:
        """Return a maker of connections, none of them open yet."""
        tls: dict[str, Any] = {
            "ssl_ca_data": self.ca_bundle,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
        return ConnectionPool(
            connection_class=SSLConnection if self.tls else Connection,
            host=self.host,
            port=self.port,
            db=self.database,
            username=self.username,
            password=self.password.reveal() if self.password else None,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            protocol=2,
            **(tls if self.tls else {}),
        )


def _pem(ca_bundle: Secret) -> str:
    try:
        ssl.create_default_context().load_verify_locations(cadata=ca_bundle.reveal())
    except (ssl.SSLError, ValueError):
        raise ValueError("storage.caBundleRef holds no PEM certificate") from None
    return ca_bundle.reveal()


class RedisServer:
    """Talks to one server; a subscription has a connection of its own."""

    def __init__(self, url: RedisUrl) -> None:
        self.name = f"{url.host}:{url.port}"
        pool = url.pool()
        self._lane = RedisLane(pool.make_connection())  # type: ignore[no-untyped-call]
        self._subscriber = Redis.from_pool(pool)
        self._closed = False

    async def run(
        self,
        script: Script,
        *,
        keys: Sequence[bytes],
        values: Sequence[Any] = (),
        read: Callable[[Any], T],
    ) -> T:
        """Run a script and return what `read` makes of its answer; raises StoreUnavailable.

        `read` raises ValueError or TypeError where it is no answer of ours.
        """
        answer = await self._evaluate(script, len(keys), *keys, *values)
        try:
            return read(answer)
        except (ValueError, TypeError) as error:
            said = f"what Redis at {self.name} answered can't be read; does something else use it?"
            raise StoreUnavailable(said) from error

    async def advice(self) -> Sequence[str]:
        """Return how the server may lose what it holds, with the mend; nothing where it won't say.

        Raises StoreUnavailable where it does not answer.
        """
        try:
            said = bytes(await self._ask("INFO")).decode()
        except StoreUnavailable as error:
            if isinstance(error.__cause__, ResponseError):  # managed services may forbid it
                return ()
            raise
        info = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        return [told for name, good, told in _ADVICE if info.get(name, good) != good]

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever is subscribed now; raises StoreUnavailable."""
        await self._ask("PUBLISH", channel, message)

    def pubsub(self) -> PubSub:
        """Return a subscriber of one's own."""
        return self._subscriber.pubsub()

    async def close(self) -> None:
        """Let running commands end, and close every connection."""
        self._closed = True
        await self._lane.close()
        await self._subscriber.aclose(close_connection_pool=True)

    async def _evaluate(self, script: Script, *arguments: Any) -> Any:
        try:
            return await self._ask("EVALSHA", script.sha, *arguments)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, NoScriptError):  # it was restarted: nothing was run
                return await self._ask("EVAL", script.text, *arguments)
            raise

    async def _ask(self, *command: Any) -> Any:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            return await self._lane.ask(*command)
        except Exception as error:  # whatever it is, nothing is known and nothing is allowed
            raise StoreUnavailable(f"Redis at {self.name} can't be used now: {error}") from error
