"""What the demo in a cluster shows, a scene a part, in the order of `SCENES`."""

from collections.abc import Awaitable, Callable
from typing import Final

import click

from ostiary_cli.demo.accounts import accounts, other_audience
from ostiary_cli.demo.calls import (
    Show,
    calls,
    denials,
    lists,
    live_edit,
    log_tells,
    login_and_consent,
)
from ostiary_cli.demo.cluster.kubectl import KubectlFailed, apply, kubectl
from ostiary_cli.demo.cluster.objects import APP, PLATFORM, SECURITY, TEAM, app, github, policy
from ostiary_cli.demo.cluster.stage import ClusterStage
from ostiary_cli.demo.story import Story

__all__ = ["SCENES"]


async def gateway(show: Show[ClusterStage]) -> None:
    """Show that a ConfigMap beside the operator is a gateway."""
    ready = await _condition(PLATFORM, "mcpgateway/main", "Ready")
    show.story.check(
        "the operator made the gateway that a ConfigMap beside it describes, and runs its proxy",
        true=ready == "True",
        detail=f"Ready is {ready}",
    )
    await _table(show.story, PLATFORM, "mcpgateways,deployments,pods")


async def route(show: Show[ClusterStage]) -> None:
    """Show that an app team needs one object, and can't allow itself anything."""
    story = show.story
    await apply(*app(), user=APP)
    await kubectl(*("rollout", "status", "--namespace", TEAM, "deployment/files", "--timeout=180s"))
    attached = await _condition(TEAM, "mcproute/files", "PolicyAttached")
    story.check(
        "the app team, whose role is `edit`, starts an MCP server and puts a route before it",
        true=attached == "False",
        detail="nobody may call it yet",
    )
    await _table(story, TEAM, "mcproutes")
    try:
        await apply(policy(show.stage.window), user=APP)
    except KubectlFailed as failed:
        said, refused = str(failed), "forbidden" in str(failed)
    else:
        said, refused = "the cluster took it", False
    story.check("it can't allow itself: policies are not its business", true=refused, detail=said)


async def rules(show: Show[ClusterStage]) -> None:
    """Show that the security team's object opens the route."""
    await apply(policy(show.stage.window), user=SECURITY)
    wait = ("wait", "--namespace", TEAM, "--timeout=60s")
    await kubectl(*wait, "mcproute/files", "mcppolicy/files", "--for=condition=Ready")
    attached = await _condition(TEAM, "mcproute/files", "PolicyAttached")
    show.story.check(
        "the security team, whose role is `ostiary-policy-editor`, attaches a policy",
        true=attached == "True",
        detail="route and policy are Ready: the proxy serves both",
    )
    await _table(show.story, TEAM, "mcproutes,mcppolicies")


async def github_accounts(show: Show[ClusterStage]) -> None:
    """Show that a user's account at the service behind a server never reaches the agent."""
    await apply(*github(show.stage.addresses))
    wait = ("wait", "--namespace", PLATFORM, "--timeout=60s")
    await kubectl(*wait, "mcproute/github", "mcppolicy/github", "--for=condition=Ready")
    await _table(show.story, PLATFORM, "mcproutes,mcppolicies")
    await accounts(show)


async def edit(show: Show[ClusterStage]) -> None:
    """Show that whoever edits the policy is obeyed by the next call."""
    await live_edit(show)
    await _table(show.story, TEAM, "mcppolicies")


SCENES: Final[tuple[tuple[str, Callable[[Show[ClusterStage]], Awaitable[None]]], ...]] = (
    ("The platform team has a gateway", gateway),
    ("The app team publishes an MCP server", route),
    ("The security team says who may do what", rules),
    ("A client that knows nothing but a URL logs in", login_and_consent),
    ("Lists show what the caller may use", lists),
    ("Allowed calls pass", calls),
    ("Everything else is refused, with a reason", denials),
    ("Upstream tokens stay inside", github_accounts),
    ("A token for one server opens no other", other_audience),
    ("A policy is edited while agents work", edit),
    ("The audit log in the pod can't be rewritten quietly", log_tells),
)


async def _condition(namespace: str, what: str, kind: str) -> str:
    path = f'{{.status.conditions[?(@.type=="{kind}")].status}}'
    return await kubectl("get", "--namespace", namespace, what, "-o", f"jsonpath={path}")


async def _table(story: Story, namespace: str, what: str) -> None:
    """Print what kubectl shows to people."""
    command = ("get", what, "--namespace", namespace)
    click.echo()
    story.note(" ".join(("$ kubectl", *command)))
    for line in (await kubectl(*command)).splitlines():
        story.note(line)
