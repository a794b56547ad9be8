"""Proxies that only have an admin port, with the certificates that the operator makes for them."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from ostiary.translate.names import server_name
from ostiary_operator.bundles import Parcel
from ostiary_operator.certificates import (
    SecretData,
    operator_pair,
    renew_authority,
    renew_server,
)
from ostiary_operator.owned import Owner
from ostiary_operator.seen import Pod
from ostiary_operator.trust import Trust

__all__ = [
    "NOW",
    "OWNER",
    "Certificates",
    "SimulatedProxy",
    "parcel",
    "pod",
    "server_context",
    "simulated",
]

NOW = datetime.now(UTC).timestamp()
"""TLS reads the real clock."""
OWNER = Owner(namespace="prod", name="main", uid="6e0b51ad-32c5-5f0c-8b3e-6a4a0c6e3d10")


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the operator keeps for a gateway of some uid."""

    authority: SecretData
    admin: SecretData
    trust: Trust

    @classmethod
    def of(cls, uid: str = OWNER.uid, now: float = NOW) -> "Certificates":
        authority = renew_authority({}, "a gateway", now)
        pair = operator_pair(authority, now)
        trust = Trust(authorities=authority["ca.crt"].reveal(), pair=pair)
        return cls(authority, renew_server({}, authority, server_name(uid), now), trust)

    def server(self, folder: Path) -> ssl.SSLContext:
        """Return what the proxy's admin port does with its mounted Secret."""
        revealed = {name: value.reveal().encode() for name, value in self.admin.items()}
        return server_context(revealed, folder)


def server_context(files: Mapping[str, bytes], folder: Path) -> ssl.SSLContext:
    """Return the TLS of an admin port by the files of its Secret, written to `folder`."""
    for name, value in files.items():
        (folder / name).write_bytes(value)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "ca.crt")
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


@dataclass(slots=True)
class SimulatedProxy:
    """Serves what it is given unless it `refuses`, `hangs` or is `away`."""

    revision: int = 0
    digest: str = ""
    boot: str = "first"
    refuses: bool = False
    hangs: bool = False
    asked: list[str] = field(default_factory=list)
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    faults: list[dict[str, str]] = field(default_factory=list)
    schema: int = 0

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.asked.append(f"{request.method} {request.path}")
        if self.hangs:
            await self.ends.wait()
        if request.method == "PUT" and not self.refuses:
            taken = json.loads(gzip.decompress(body) if body[:1] == b"\x1f" else body)
            self.revision, self.digest = taken["revision"], taken["digest"]
            self.schema = taken.get("schema", 0)
        return web.json_response(self.said(), status=409 if self.refuses else 200)

    def said(self) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "digest": self.digest,
            "schema": self.schema,
            "boot": self.boot,
            "confirmed": True,
            "failures": ["the bundle can't be served"] if self.refuses else [],
            "faults": self.faults,
            "would": {"prod/rules": 3},
            "upstreams": {"prod/github": ""},
        }


@asynccontextmanager
async def simulated(
    proxy: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    context: ssl.SSLContext | None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[int]:
    """Run a proxy; yields its port."""
    runner = web.ServerRunner(web.Server(proxy), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, address, port, ssl_context=context)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    if isinstance(proxy, SimulatedProxy):
        proxy.ends.set()
    await runner.cleanup()


def pod(name: str = "main-a", address: str = "127.0.0.1", *, ready: bool = True) -> Pod:
    return Pod(
        namespace=OWNER.namespace,
        name=name,
        uid=f"uid of {name}",
        gateway=OWNER.key,
        address=address,
        ready=ready,
        terminating=False,
    )


def parcel(revision: int, padding: int = 0) -> Parcel:
    """Return a bundle that a simulated proxy understands."""
    digest = f"sha256:{revision}"
    document = {"revision": revision, "digest": digest, "padding": "x" * padding}
    return Parcel(revision=revision, digest=digest, data=json.dumps(document).encode())
