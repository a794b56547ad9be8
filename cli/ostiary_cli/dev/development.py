"""What `ostiary dev` does: YAML in a folder becomes a running gateway, and follows every edit.

The folder is read, planned and rendered; the rendered bundle goes into another folder, and the
ordinary proxy runs on that one, so a reload here is a reload anywhere.
"""

import asyncio
import itertools
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from watchfiles import awatch

from ostiary.config.bundle import complete, pack, write_bundle
from ostiary.config.document import Config
from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary.resources.gateway import MCPGateway
from ostiary.resources.manifest import Kind, read_resource
from ostiary.translate.fill import fill
from ostiary.translate.plan import Plan, plan
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import DevIdentity, History, Observed, Platform
from ostiary_cli.check import findings
from ostiary_cli.dev.children import Child
from ostiary_cli.dev.ports import steady_port
from ostiary_cli.manifests import Loaded, object_key, read_world
from ostiary_cli.places import Places
from ostiary_proxy.store.chosen import StorageAsked, choose
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.whole_file import write_whole

__all__ = ["Development", "DevelopmentFailed", "Serving"]

_CLIENT = "ostiary-dev"
_SECRET = "dev-identity"  # noqa: S105 - the name of a credential


class DevelopmentFailed(Exception):  # noqa: N818 - a statement
    """Nothing can be served; `faults` say why."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is being served.

    The public URL, the admin port, the plan, and what the proxy says of it.
    """

    public_url: str
    admin_url: str
    pid: int
    bundle: PlannedBundle
    findings: tuple[str, ...]
    revision: int
    faults: tuple[str, ...]

    def ready(self) -> dict[str, object]:
        """Return the ready file's content."""
        routes = [
            {
                "name": route.name,
                "namespace": route.namespace,
                "url": route.url,
                "issuer": route.issuer,
                "ready": route.closed is None and not route.suspended,
            }
            for route in self.bundle.config.routes
        ]
        return {
            "issuer": self.public_url,
            "adminUrl": self.admin_url,
            "pid": self.pid,
            "revision": self.revision,
            "routes": routes,
        }


class Development:
    """One `ostiary dev`: `start`, then `follow` until cancelled, then `stop`."""

    def __init__(
        self,
        place: Path,
        places: Places,
        *,
        listen: tuple[str, int] | None,
        tell: Callable[[str], None],
    ) -> None:
        self._place = place
        self._places = places
        self._listen = listen
        self._tell = tell
        self._children: list[Child] = []
        self._history: History | None = None
        self._platform = Platform()
        self._rings: Rings | None = None
        self._secret = Secret(os.urandom(24).hex())
        self._proxy: Mapping[str, object] = {}
        self.public_url = ""

    async def start(self) -> Serving:
        """Serve what the folder says; raises DevelopmentFailed, ChildFailed or OSError."""
        loaded = self._read()
        if loaded.faults:
            raise DevelopmentFailed(*loaded.faults)
        gateway = _gateway(loaded)
        self._prepare()
        host, port = self._address(gateway)
        self.public_url = f"http://{host}:{port}"
        key = f"{gateway.metadata.namespace}/{gateway.metadata.name}"
        self._platform = Platform(public_urls={key: self.public_url})
        if gateway.spec.identity_provider.dev is not None:
            issuer = await self._start_identity(gateway)
            identity = DevIdentity(issuer=issuer, client_id=_CLIENT)
            self._platform = replace(self._platform, dev_identity=identity)
        loaded = self._read()
        planned = self._plan(loaded, key)
        bundle = planned.bundles[key]
        await self._reach_storage(bundle, loaded.secret_values)
        self._write(loaded, bundle)
        listen = f"{self._listen[0] if self._listen else '127.0.0.1'}:{port}"
        await self._start_proxy(listen)
        found = tuple(itertools.chain(*findings(loaded, planned)))
        return await self._served(bundle, found)

    async def follow(self, served: Callable[[Serving], None]) -> None:
        """Render again whenever a file changes.

        Faults are told and the last good bundle goes on.
        """
        key = next(iter(self._platform.public_urls))
        async for _ in awatch(self._place, debounce=60, step=20, recursive=True):
            loaded = self._read()
            planned = self._plan(loaded, key)
            faults, warnings = findings(loaded, planned)
            if loaded.faults or faults:
                self._tell_faults(loaded.faults or faults)
                continue
            bundle = planned.bundles.get(key)
            if bundle is None:
                self._tell_faults((Fault(path="", message=f"the MCPGateway {key} has gone"),))
                continue
            self._write_users(_gateway(loaded))
            if self._write(loaded, bundle):
                served(await self._served(bundle, warnings))

    async def wait(self) -> str:
        """Return the name of the first child that ends by itself."""
        ends = [asyncio.create_task(child.process.wait()) for child in self._children]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        ended = next(c for c in self._children if c.process.returncode is not None)
        return f"{ended.name} ended\n{ended.tail()}"

    async def stop(self) -> None:
        """End every child, the proxy first."""
        for child in reversed(self._children):
            await child.stop()

    def _read(self) -> Loaded:
        key = self._rings.seal.keyed_hash("secret version", "") if self._rings else ""
        return read_world(
            self._place, os.environ, platform=self._platform, version_key=key.encode() or None
        )

    def _tell_faults(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            self._tell(str(fault))
        self._tell("the last good configuration goes on")

    def _prepare(self) -> None:
        """Make the folders, private ones, and the keys where there are none."""
        places = self._places
        for folder in (places.state, places.keys, places.bundle, places.audit, places.checkpoints):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not places.key_file.exists():
            document = KeyDocument.generate(os.urandom)
            write_whole(places.key_file, write_json(document.reveal()), private=True)
        self._rings = validate(KeyDocument, read_json(places.key_file.read_bytes())).rings()
        revision = places.state / "revision"
        if revision.exists():
            self._history = History(revision=int(revision.read_text()), digest="")

    def _address(self, gateway: MCPGateway) -> tuple[str, int]:
        """Return the host of the public URL and the port that will be listened on."""
        parts = urlsplit(gateway.spec.public_url)
        host = parts.hostname if gateway.spec.loopback and parts.hostname else "localhost"
        wanted = self._listen[1] if self._listen else (parts.port or 8080)
        bind = self._listen[0] if self._listen else "127.0.0.1"
        port, notice = steady_port(bind, wanted, kept=self._places.state / "port.json")
        if notice:
            self._tell(notice)
        if not gateway.spec.loopback:
            self._tell(f"publicUrl is {gateway.spec.public_url}; here it is http://{host}:{port}")
        return host, port

    async def _start_identity(self, gateway: MCPGateway) -> str:
        """Start the development identity provider; return its issuer."""
        users, secret = self._places.state / "users.json", self._places.state / "client-secret"
        self._write_users(gateway)
        write_whole(secret, self._secret.reveal().encode(), private=True)
        child, said = await Child.start(
            "the development identity provider",
            [
                *("-m", "ostiary_cli.dev.identity", "--users", str(users)),
                *("--state", str(self._places.state / "identity")),
                *("--client-id", _CLIENT, "--client-secret-file", str(secret)),
                *("--redirect-uri", f"{self.public_url}/login/callback"),
                *("--ready-file", str(self._places.state / "identity-ready.json")),
            ],
            log=self._places.state / "identity.log",
            ready=self._places.state / "identity-ready.json",
        )
        self._children.append(child)
        return str(said["issuer"])

    def _write_users(self, gateway: MCPGateway) -> None:
        """Tell the development identity provider who its people are; it follows the file."""
        dev = gateway.spec.identity_provider.dev
        if dev is None:
            return
        users = write_json([user.reveal() for user in dev.users])
        write_whole(self._places.state / "users.json", users, private=True)

    async def _reach_storage(
        self, bundle: PlannedBundle, values: Mapping[tuple[str, str, str], Secret]
    ) -> None:
        """Raise DevelopmentFailed where the gateway's Redis is not there: the mend is at hand."""
        storage = bundle.config.gateway.storage
        if storage.type == "SQLite":
            return
        _, credentials = fill(bundle, values)
        try:
            asked = StorageAsked.of(storage, credentials)
            chosen = choose(asked, bundle.gateway, file=self._places.store, clock=time.time)  # noqa: TID251
            try:
                await chosen.advice()
            finally:
                await chosen.close()
        except (ValueError, StoreUnavailable) as error:
            said = f"{error}; start it, or set type: SQLite"
            raise DevelopmentFailed(Fault(path="spec.storage", message=said)) from None

    async def _start_proxy(self, listen: str) -> None:
        places = self._places
        ready = places.state / "proxy-ready.json"
        child, said = await Child.start(
            "the proxy",
            [
                *("-m", "ostiary_proxy.main", "--bundle", str(places.bundle)),
                *("--keys", str(places.key_file), "--state", str(places.store)),
                *("--audit", str(places.audit), "--checkpoints", str(places.checkpoints)),
                *("--listen", listen, "--admin-token", str(places.admin_token)),
                *("--ready-file", str(ready)),
            ],
            log=places.state / "proxy.log",
            ready=ready,
        )
        self._children.append(child)
        self._proxy = said

    def _plan(self, loaded: Loaded, key: str) -> Plan:
        history = {key: self._history} if self._history else {}
        return plan(loaded.world, Observed(history=history), time.time())  # noqa: TID251

    def _write(self, loaded: Loaded, bundle: PlannedBundle) -> bool:
        """Write the bundle where it changed; say whether it did."""
        changed = self._history is None or bundle.digest != self._history.digest
        if changed:
            self._write_bundle(bundle, loaded.secret_values)
        self._history = bundle.history
        return changed

    def _write_bundle(
        self, bundle: PlannedBundle, values: Mapping[tuple[str, str, str], Secret]
    ) -> None:
        config, credentials = fill(bundle, values)
        config = self._with_client_secret(config, credentials)
        assert self._rings is not None
        whole = complete(config, credentials, revision=bundle.revision, seal=self._rings.seal)
        shards = pack(write_bundle(whole), bundle.revision)
        folder = self._places.bundle
        for index, shard in enumerate(shards):
            write_whole(folder / f"bundle-{index:03}", shard, private=True)
        for path in sorted(folder.glob("bundle-*"))[len(shards) :]:
            path.unlink()
        (self._places.state / "revision").write_text(str(bundle.revision))

    def _with_client_secret(self, config: Config, credentials: dict[str, Secret]) -> Config:
        """Give the development provider the secret that it was started with."""
        provider = config.gateway.identity_provider
        if provider is None or not provider.development:
            return config
        credentials[_SECRET] = self._secret
        provider = provider.model_copy(update={"client_secret": _SECRET})
        gateway = config.gateway.model_copy(update={"identity_provider": provider})
        return config.model_copy(update={"gateway": gateway})

    async def _served(self, bundle: PlannedBundle, found: tuple[Fault, ...]) -> Serving:
        """Return what is served once the proxy has taken the revision, or why it has not."""
        admin = f"http://{self._proxy['admin']}"
        said = await asyncio.to_thread(
            _until_revision, admin, self._places.admin_token, bundle.revision
        )
        return Serving(
            public_url=self.public_url,
            admin_url=admin,
            pid=os.getpid(),
            bundle=bundle,
            findings=tuple(str(fault) for fault in found),
            revision=said[0],
            faults=said[1],
        )


def _gateway(loaded: Loaded) -> MCPGateway:
    """Return the gateway to run: the oldest default one, else the oldest that can be read.

    Raises DevelopmentFailed: there is none, or what is wrong with those there are.
    """
    gateways: list[MCPGateway] = []
    faults: list[Fault] = []
    manifests = [m for m in loaded.world.manifests if m.kind is Kind.GATEWAY]
    for manifest in sorted(manifests, key=lambda m: m.age):
        try:
            resource = read_resource(manifest)
        except Faulty as faulty:
            key = object_key(manifest.kind, manifest.meta.namespace, manifest.meta.name)
            faults += loaded.documents[key].locate(faulty.faults)
        else:
            gateways += [resource] if isinstance(resource, MCPGateway) else []
    if not gateways:
        said = "there is no MCPGateway; `ostiary dev --to URL --save DIR` writes one to start from"
        raise DevelopmentFailed(*(faults or [Fault(path="", message=said)]))
    return next((g for g in gateways if g.spec.default), gateways[0])


def _until_revision(
    admin: str, token: Path, revision: int, *, wait: float = 5.0
) -> tuple[int, tuple[str, ...]]:
    """Ask the proxy until it serves `revision`, at most `wait` seconds; return what it says."""
    deadline = time.monotonic() + wait
    while True:
        request = urllib.request.Request(  # noqa: S310 - our own admin port
            f"{admin}/revision", headers={"Authorization": f"Bearer {token.read_text()}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            said = json.load(answer)
        if said["revision"] >= revision or time.monotonic() > deadline:
            faults = (f"{f['kind']} {f['key']}: {f['message']}" for f in said["faults"])
            return int(said["revision"]), (*said["failures"], *faults)
        time.sleep(0.02)
