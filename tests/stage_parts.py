"""The operator's hands on a real API server, one turn of its loop at a time."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ostiary.config.older import Older
from ostiary.resources.manifest import API_VERSION
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import Plan, plan
from ostiary.translate.world import Cluster, History, Observed, Platform, Rollout
from ostiary_operator.api import Api, Object
from ostiary_operator.feed import Feed
from ostiary_operator.hands import Hands
from ostiary_operator.key_names import KeyNames
from ostiary_operator.kinds import KINDS
from ostiary_operator.seen import Pod, Seen
from ostiary_operator.sources import CHILDREN, OURS

__all__ = ["GATEWAY", "POLICY", "ROUTE", "Recording", "Stage"]

PLATFORM = Platform(
    cluster=Cluster(image="e2e.local/ostiary-proxy:1", operator_url="http://operator:8082")
)
GATEWAY: Mapping[str, Any] = {
    "publicUrl": "https://mcp.example.com",
    "default": True,
    "identityProvider": {"oidc": {"issuer": "https://login.example.com", "clientId": "x"}},
    "listeners": [{"name": "apps", "hostname": "*.example.com"}],
}
ROUTE: Mapping[str, Any] = {
    "from": "https://notes.example.com",
    "to": "https://notes.example.net/mcp",
}
POLICY: Mapping[str, Any] = {
    "targetRefs": [{"kind": "MCPRoute", "name": "notes"}],
    "rules": [{"name": "a", "effect": "Allow", "who": {"groups": ["eng"]}}],
}


class Recording(Api):
    """Remembers each write, as `VERB plural/name`."""

    writes: list[str]

    async def _ask(self, method: str, path: str, **options: Any) -> Object:
        if method != "GET":
            self.writes.append(f"{method} {'/'.join(path.split('/')[-2:])}")
        return await super()._ask(method, path, **options)


@dataclass
class Stage:
    """A namespace, and who acts in it, `later` than now.

    `pods` are the proxies' pods that are said to be there.
    """

    api: Recording
    namespace: str
    hands: Hands = field(init=False)
    history: Mapping[str, History] | None = None
    pods: tuple[Pod, ...] = ()
    older: Mapping[int, Older] = field(default_factory=dict)
    changes: int = 0
    later: float = 0
    cache: Cache = field(default_factory=Cache)

    def __post_init__(self) -> None:
        self.start_again()

    def start_again(self) -> None:
        """Act as an operator that was just started."""
        self.history = None
        self.hands = Hands(
            self.api,
            clock=lambda: _now() + self.later,
            entropy=os.urandom,
            older=self.older,
            changed=self._change,
        )

    def _change(self) -> None:
        self.changes += 1

    async def put(self, kind: str, name: str, spec: Mapping[str, Any], **meta: Any) -> None:
        """Create an object of ours, or change it."""
        head = {"name": name, "namespace": self.namespace, **meta}
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": head, "spec": spec}
        await self.api.apply(body)

    async def get(self, kind: str, name: str) -> Object:
        return await self.api.get(KINDS[kind], self.namespace, name)

    async def merge(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        await self.api.merge(KINDS[kind], self.namespace, name, change)

    async def delete(self, kind: str, name: str) -> None:
        uid = (await self.get(kind, name))["metadata"]["uid"]
        await self.api.delete(KINDS[kind], self.namespace, name, uid=uid)

    async def condition(self, kind: str, name: str, type_: str) -> tuple[str, str]:
        """Return status and message of a condition."""
        listed = (await self.get(kind, name))["status"]["conditions"]
        found = next(item for item in listed if item["type"] == type_)
        return found["status"], found["message"]

    async def look(self) -> Seen:
        """Return what stands; the Deployment is said to be well."""
        feed = Feed(PLATFORM, (self.namespace,), lambda: None)
        for source in OURS:
            for item in (await self.api.list(source.kind, self.namespace)).items:
                body = {**item, "apiVersion": API_VERSION, "kind": source.kind.kind}
                feed.put(source, body)
        for source in CHILDREN:
            listing = await self.api.list_metadata(
                source.kind, self.namespace, labels=source.labels
            )
            for item in listing.items:
                feed.put(source, item)
        secrets = await KeyNames(self.api, lambda: None).of(feed.named_secrets())
        well = {f"{self.namespace}/main": Rollout(replicas=1, updated=1, ready=1)}
        return replace(feed.seen(secrets), pods=self.pods, rollouts=well)

    async def turn(self, *, between: Callable[[], Awaitable[None]] | None = None) -> Plan:
        """Look, plan and act once; `between` happens after the look."""
        seen = await self.look()
        if self.history is None:
            self.history = await self.hands.recall(seen)
        observed = Observed(
            proxies=self.hands.reported(seen),
            rollouts=self.hands.rollouts(seen),
            history=self.history,
            statuses=seen.statuses,
        )
        planned = plan(seen.world, observed, _now(), cache=self.cache)
        self.history = {**self.history, **planned.history}
        if between is not None:
            await between()
        self.api.writes.clear()
        try:
            await self.hands.carry_out(seen, planned)
        finally:
            await self.hands.done()
        return planned

    async def settle(self) -> None:
        """Turn until nothing is written any more, ten times at most."""
        for _ in range(10):
            await self.turn()
            if not self.api.writes:
                return
        raise AssertionError(self.api.writes)


def _now() -> float:
    return time.time()  # noqa: TID251 - TLS reads the real clock
