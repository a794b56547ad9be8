"""Talking to the admin port of a proxy, by mutual TLS under the gateway's own authority."""

import ssl
from typing import ClassVar, Final

import aiohttp
from pydantic import ConfigDict, Field

from ostiary.decode.fault import Faulty
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary.resources.manifest import Kind
from ostiary_operator.bundles import Parcel
from ostiary_operator.tls import show
from ostiary_operator.trust import Trust

__all__ = ["AdminClient", "Answer", "AnswerFault", "NoAnswer"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_LARGEST: Final = 4 * 1024 * 1024
# Longer than a proxy is left alone, so that a push finds its connection open.
_KEEP_ALIVE: Final = 75


class NoAnswer(Exception):  # noqa: N818 - a statement
    """The proxy could not be asked, or said nothing that makes sense."""


class AnswerFault(Model):
    """A route or policy that the proxy can't serve."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    kind: Kind
    key: str
    message: str


class Answer(Model):
    """What a proxy says it serves; a newer proxy may say more.

    `failures` say why it serves nothing newer. `boot` is another one after each start, `keys`
    tells with which keys.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    revision: int = Field(ge=0)
    digest: str
    boot: str = ""
    keys: str = ""
    failures: tuple[str, ...] = ()
    faults: tuple[AnswerFault, ...] = ()
    would: dict[str, int] = Field(default_factory=dict)
    upstreams: dict[str, str] = Field(default_factory=dict)
    unfit: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def is_behind(self, parcel: Parcel) -> bool:
        """Say whether the proxy serves something else than a bundle, and nothing newer."""
        return self.revision < parcel.revision or (
            self.revision == parcel.revision and self.digest != parcel.digest
        )


class AdminClient:
    """Calls the proxies of one gateway; all of them have the same name in their certificates."""

    def __init__(self, trust: Trust, server: str, *, port: int) -> None:
        self._server = server
        self._port = port
        connector = aiohttp.TCPConnector(
            ssl=_context(trust), limit=0, keepalive_timeout=_KEEP_ALIVE
        )
        self._session = aiohttp.ClientSession(  # noqa: TID251 - cluster-internal, pinned by TLS
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
            trust_env=False,
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def revision(self, address: str) -> Answer:
        """Return what a proxy serves; raises NoAnswer."""
        return await self._ask("GET", address, "/revision")

    async def push(self, address: str, data: bytes) -> Answer:
        """Give a proxy a bundle and return what it serves then; raises NoAnswer."""
        return await self._ask("PUT", address, "/bundle", data)

    async def _ask(self, method: str, address: str, path: str, body: bytes | None = None) -> Answer:
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.request(
                method,
                f"https://{host}:{self._port}{path}",
                data=body,
                headers={"Host": self._server},
                server_hostname=self._server,
                allow_redirects=False,
            ) as response:
                if response.status not in (200, 409):
                    raise NoAnswer(f"HTTP {response.status}")
                return validate(Answer, read_json(await _whole(response)))
        except Faulty as faulty:
            raise NoAnswer(f"an answer that makes no sense: {faulty.faults[0]}") from None
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
            # A RuntimeError says that the session was closed, for another one took its place.
            raise NoAnswer(str(error) or "no answer in time") from error


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST:
            raise NoAnswer(f"an answer of more than {_LARGEST} bytes")
    return bytes(body)


def _context(trust: Trust) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=trust.authorities)
    show(context, trust.pair)
    return context
