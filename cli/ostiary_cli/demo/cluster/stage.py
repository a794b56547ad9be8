"""Ostiary in the cluster, installed as README.md says, and taken away again."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

import click

from ostiary_cli.demo.cluster.kubectl import KubectlFailed, apply, ask, kubectl, port_forward
from ostiary_cli.demo.cluster.objects import (
    OPERATOR,
    PLATFORM,
    SECURITY,
    TEAM,
    Addresses,
    default_gateway,
    github_credentials,
    namespaces,
    policy,
)
from ostiary_cli.demo.stage import free, hours_around

__all__ = ["ClusterStage", "set_stage", "show_state"]

_FIRST: Final = "127.0.0.1:7200"
_PORTS: Final = 3
"""The gateway's, and after it those of the development identity provider and pretend GitHub."""
_PROXY: Final = ("exec", "--namespace", PLATFORM, "deployment/ostiary-main", "--container=proxy")
_LOG: Final = "--log=/var/lib/ostiary/audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStage:
    """A gateway that is served on loopback, by port-forward."""

    addresses: Addresses
    window: str

    def url(self, route: str) -> str:
        """Return the URL of a route."""
        namespace = PLATFORM if route == "github" else TEAM
        return f"http://{self.addresses.gateway}/{namespace}/{route}"

    async def publish_at(self, hours: str) -> str:
        """Apply the policy with other hours of publishing; say so."""
        await apply(policy(hours), user=SECURITY)
        return "kubectl apply -f policy.yaml, as the security team"

    async def github_tokens(self) -> tuple[str, ...]:
        """Return every access and refresh token that the pretend GitHub has issued."""
        command = ("deployment/ostiary-main", "--container=github", "--")
        said = await kubectl("exec", "--namespace", PLATFORM, *command, "cat", "/issued/tokens")
        return tuple(said.split())

    async def record(self, decision: str) -> tuple[int, list[str]]:
        """Return exit code and lines of `ostiary audit show` in the proxy's pod."""
        return await ask(*_PROXY, "--", "ostiary", "audit", "show", decision, _LOG)

    async def verified(self) -> tuple[int, list[str]]:
        """Return exit code and lines of `ostiary audit verify` in the proxy's pod."""
        return await ask(
            *(*_PROXY, "--", "ostiary", "audit", "verify", _LOG),
            *("--checkpoints=/var/lib/ostiary-checkpoints", "--keys=/etc/ostiary/keys/keys.json"),
        )


@asynccontextmanager
async def set_stage(install: Path, *, takes_down: bool) -> AsyncIterator[ClusterStage]:
    """Install Ostiary by the manifest `install`, and forward to the gateway while one looks.

    Where it `takes_down`, the cluster is left as it was found, else with everything in it. Raises
    KubectlFailed.
    """
    if there := await _traces():
        raise KubectlFailed(f"the cluster has {', '.join(there)} already: remove that first")
    host, _, first = free(_FIRST, _PORTS).rpartition(":")
    ports = [int(first) + more for more in range(_PORTS)]
    stage = ClusterStage(
        addresses=Addresses(gateway=f"{host}:{ports[0]}", github=f"{host}:{ports[-1]}"),
        window=hours_around(datetime.now(UTC), holds=False),
    )
    try:
        await _install(install, stage)
        async with port_forward(PLATFORM, "deployment/ostiary-main", *ports):
            yield stage
    except KubectlFailed:
        await show_state()
        raise
    finally:
        if takes_down:
            await _remove(install)


async def show_state() -> None:
    """Print what may help to find out why something did not happen."""
    _, lines = await ask("get", "pods,mcpgateways,mcproutes,mcppolicies", "--all-namespaces")
    click.echo("\n".join(("", *lines)))


async def _install(install: Path, stage: ClusterStage) -> None:
    async with _step("installing the operator, with a default gateway to make"):
        await apply(*namespaces(), *default_gateway(stage.addresses))
        await apply(github_credentials(secrets.token_urlsafe(24)))
        await kubectl("apply", "--server-side", "-f", str(install))
    async with _step("waiting for the operator"):
        await _rolled_out(OPERATOR, "ostiary-operator")
    async with _step("waiting for the gateway that it makes"):
        await _wait(PLATFORM, "mcpgateway/main", "create")
        await _wait(PLATFORM, "mcpgateway/main", "condition=Ready")


async def _remove(install: Path) -> None:
    async with _step("removing everything again"):
        await kubectl("delete", "namespace", PLATFORM, TEAM, "--ignore-not-found")
        await kubectl("delete", "-f", str(install), "--ignore-not-found")
    if left := await _traces():
        raise KubectlFailed(f"{', '.join(left)} stayed behind")


async def _traces() -> list[str]:
    """Return what of the demo the cluster holds."""
    kinds = "namespaces,crds,clusterroles,clusterrolebindings,validatingwebhookconfigurations"
    said = await kubectl("get", kinds, "-o", "name")
    own = {f"namespace/{name}" for name in (PLATFORM, TEAM)}
    return [line for line in said.split() if "ostiary" in line or line in own]


async def _rolled_out(namespace: str, deployment: str) -> None:
    await kubectl(
        *("rollout", "status", "--namespace", namespace, f"deployment/{deployment}"),
        "--timeout=180s",
    )


async def _wait(namespace: str, what: str, until: str) -> None:
    await kubectl("wait", "--namespace", namespace, what, f"--for={until}", "--timeout=180s")


@asynccontextmanager
async def _step(title: str) -> AsyncIterator[None]:
    """Say what takes a while, and how long it took."""
    click.echo(f"• {title} ...")
    started = monotonic()
    yield
    click.secho(f"    done in {monotonic() - started:.1f} s", dim=True)
