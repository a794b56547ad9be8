"""Giving the proxies of a gateway their bundle, and hearing what they serve.

The volume is truth and cold start, a push is speed, and its answer is the acknowledgement. Each pod
is visited by a task of its own, so that one that hangs holds up nobody: at once when there is a new
bundle, when it comes or its readiness turns; after a failure, later and later; else every 30 s.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from ostiary.resources.manifest import Kind
from ostiary.translate.names import server_name
from ostiary.translate.ports import ADMIN
from ostiary.translate.world import ProxyFault, Reported
from ostiary_operator.asking import AdminClient, Answer, NoAnswer
from ostiary_operator.bundles import Parcel
from ostiary_operator.owned import Owner
from ostiary_operator.pace import backoff
from ostiary_operator.seen import Pod
from ostiary_operator.trust import Trust

__all__ = ["AT_ONCE", "Proxies"]

log = structlog.get_logger(__name__)
AT_ONCE: Final = 32
"""How many proxies are talked to at the same time."""
_POLL: Final = 30.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Proxy:
    """One pod, and what it said last."""

    pod: Pod
    answer: Answer | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    visited: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Proxies:
    """The proxies of one gateway.

    `heard` is called whenever one says something new, or was visited for the first time with a
    bundle, successfully or not.
    """

    def __init__(
        self,
        owner: Owner,
        gate: asyncio.Semaphore,
        heard: Callable[[], None],
        *,
        port: int = ADMIN,
    ) -> None:
        self._owner = owner
        self._port = port
        self._gate = gate
        self._heard = heard
        self._proxies: dict[str, _Proxy] = {}
        self._trust: Trust | None = None
        self._client: AdminClient | None = None
        self._parcel: Parcel | None = None

    def reported(self) -> tuple[Reported, ...]:
        """Return what each pod says of itself; one that was not heard yet serves revision 0."""
        pods = sorted(self._proxies.values(), key=lambda proxy: proxy.pod.name)
        return tuple(_reported(proxy, self._owner.key, self._parcel) for proxy in pods)

    @property
    def settled(self) -> bool:
        """Say whether each pod that is ready was visited since there is this bundle."""
        ready = (proxy for proxy in self._proxies.values() if proxy.pod.ready and proxy.task)
        return all(proxy.visited.is_set() for proxy in ready)

    @property
    def schemas(self) -> frozenset[int]:
        """Return the schemas of the bundle that pods read."""
        return frozenset(proxy.pod.schema for proxy in self._proxies.values())

    def know(self, keys: str) -> bool:
        """Say whether every pod works with the keys of this fingerprint."""
        answers = [proxy.answer for proxy in self._proxies.values()]
        return all(answer is not None and answer.keys == keys for answer in answers)

    def follow(self, pods: Iterable[Pod]) -> None:
        """Take these for the gateway's pods from now on."""
        found = {pod.uid: pod for pod in pods}
        for uid in self._proxies.keys() - found.keys():
            _cancel(self._proxies.pop(uid))
        for uid, pod in found.items():
            known = self._proxies.get(uid)
            if known is None or known.pod.address != pod.address:
                self._arrive(pod, known)
            else:
                if known.pod.ready != pod.ready:
                    known.wake.set()
                known.pod = pod

    async def deliver(self, parcel: Parcel, trust: Trust, *, wait: float) -> None:
        """Have every pod serve `parcel`; wait for their first answers, at most `wait` seconds."""
        await self._use(trust)
        if parcel != self._parcel:
            self._parcel = parcel
            for proxy in self._proxies.values():
                proxy.visited.clear()
                proxy.wake.set()
        visits = [proxy.visited.wait() for proxy in self._proxies.values() if proxy.task]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await asyncio.gather(*visits)

    async def close(self) -> None:
        """Visit nobody any more."""
        for proxy in self._proxies.values():
            _cancel(proxy)
        if self._client is not None:
            await self._client.close()

    async def _use(self, trust: Trust) -> None:
        if trust is self._trust:
            return
        before, self._trust = self._client, trust
        self._client = AdminClient(trust, server_name(self._owner.uid), port=self._port)
        if before is not None:
            await before.close()

    def _arrive(self, pod: Pod, before: _Proxy | None) -> None:
        if before is not None:
            _cancel(before)
        proxy = self._proxies[pod.uid] = _Proxy(pod=pod)
        if pod.address:
            proxy.task = asyncio.create_task(self._attend(proxy))

    async def _attend(self, proxy: _Proxy) -> None:
        """Visit a pod again and again, until cancelled."""
        failures = 0
        while True:
            proxy.wake.clear()
            before = (proxy.answer, proxy.visited.is_set())
            try:
                done = await self._visit(proxy)
            except NoAnswer as none:
                done = False
                if failures == 0:
                    log.warning("a proxy does not answer", proxy=proxy.pod.name, why=str(none))
            except Exception:
                done = False
                log.exception("a visit failed", proxy=proxy.pod.name)
            pause = _POLL if done else backoff(failures, random.random())  # noqa: S311
            failures = 0 if done else failures + 1
            proxy.visited.set()
            if before != (proxy.answer, True):
                self._heard()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await proxy.wake.wait()

    async def _visit(self, proxy: _Proxy) -> bool:
        """Bring a pod up to date and say whether it is; raises NoAnswer."""
        client, parcel = self._client, self._parcel
        if client is None or parcel is None:
            return True
        answer = proxy.answer
        async with self._gate:
            if answer is None or not answer.is_behind(parcel):
                answer = await client.revision(proxy.pod.address)
            if answer.is_behind(parcel):
                answer = await client.push(proxy.pod.address, parcel.of(proxy.pod.schema))
        proxy.answer = answer
        return not answer.is_behind(parcel)


def _cancel(proxy: _Proxy) -> None:
    if proxy.task is not None:
        proxy.task.cancel()


def _reported(proxy: _Proxy, gateway: str, parcel: Parcel | None) -> Reported:
    pod, answer = proxy.pod, proxy.answer
    ready = pod.ready and not pod.terminating
    if answer is None:
        return Reported(proxy=pod.name, ready=ready, revision=0)
    faults = [ProxyFault(kind=f.kind, key=f.key, message=f.message) for f in answer.faults]
    if parcel is not None and answer.is_behind(parcel):
        faults += [ProxyFault(kind=Kind.GATEWAY, key=gateway, message=f) for f in answer.failures]
    return Reported(
        proxy=pod.name,
        ready=ready,
        revision=answer.revision,
        faults=tuple(faults),
        would=answer.would,
        upstreams=answer.upstreams,
        unfit=answer.unfit,
    )
