"""Three real proxies on one Redis, one key document and one folder of shards, and who calls them.

The first is that of `ostiary dev`, whose URL is the public one; a caller chooses who answers by
connecting to another port with the same Host.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from door_parts import Door, Resource
from gateway_parts import Answer, Gateway, ask, dev, gateway_yaml, policy_yaml, route_yaml
from real_parts import RedisPart, _until_ready, redis_server, running
from sdk_parts import files_server

__all__ = ["STORAGE", "Fleet", "Replica", "fleet", "one_more", "secret_yaml"]

STORAGE = """  storage: {type: Redis, urlSecretRef: {name: redis, key: url}}
  audit: {sinks: [Stdout]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica(Door):
    """One proxy of this machine."""

    admin: str
    token: Path
    log: Path
    process: Any = None

    def revoke(self, **selector: str) -> Answer:
        return self.ask_admin("/grants/revoke", json.dumps(selector).encode())

    def ask_admin(self, path: str, data: bytes | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token.read_text()}"}
        return ask(f"http://{self.admin}{path}", data=data, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet(Resource):
    """The replicas and what stands behind them."""

    gateway: Gateway
    redis: RedisPart
    replicas: Sequence[Replica]
    folder: Path

    def failures(self) -> list[str]:
        """Return what each replica says keeps it from what came last."""
        said = (replica.ask_admin("/revision").json() for replica in self.replicas)
        return ["; ".join(one["failures"]) for one in said]


@contextmanager
def fleet(
    folder: Path, rules: str, *, server: AbstractContextManager[str] | None = None
) -> Iterator[Fleet]:
    """Run three replicas with `rules` while the context lasts, before `server` if it is given."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(server or files_server(folder, json_answers=True))
        redis = stack.enter_context(redis_server(folder, "--appendfsync", "always"))
        files = {
            "gateway.yaml": gateway_yaml(extra=STORAGE),
            "secret.yaml": secret_yaml(redis.url),
            "route.yaml": route_yaml(upstream),
            "policy.yaml": policy_yaml(rules),
        }
        gateway = stack.enter_context(dev(folder, files))
        said = json.loads((gateway.state / "proxy-ready.json").read_text())
        first = Replica(
            listen=said["listen"], admin=said["admin"], token=gateway.state / "admin-token",
            origin=gateway.issuer, log=gateway.state / "proxy.log",
        )  # fmt: skip
        others = [stack.enter_context(one_more(folder / f"r{n}", gateway)) for n in (2, 3)]
        yield Fleet(
            url=gateway.url(), gateway=gateway, redis=redis, replicas=(first, *others),
            folder=folder,
        )  # fmt: skip


@contextmanager
def one_more(folder: Path, gateway: Gateway, keys: Path | None = None) -> Iterator[Replica]:
    """Run one more proxy on the bundle and the keys (or a file of its own) of a gateway."""
    folder.mkdir()
    ready = folder / "ready.json"
    command = [
        *(sys.executable, "-m", "ostiary_proxy.main", "--bundle", str(gateway.state / "bundle")),
        *(
            "--keys",
            str(keys or gateway.keys / "keys.json"),
            "--state",
            str(folder / "store.sqlite3"),
        ),
        *("--audit", str(folder / "audit"), "--checkpoints", str(folder / "checkpoints")),
        *("--listen", "127.0.0.1:0", "--admin-token", str(folder / "admin-token")),
        *("--ready-file", str(ready)),
    ]
    with running(command, log=folder / "proxy.log") as process:
        said = _until_ready(ready, process)
        yield Replica(
            listen=said["listen"], admin=said["admin"], token=folder / "admin-token",
            origin=gateway.issuer, log=folder / "proxy.log", process=process,
        )  # fmt: skip


def secret_yaml(url: str) -> str:
    """Return the Secret of the storage's URL."""
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: redis, namespace: default}}
stringData: {{url: "{url}"}}
"""
