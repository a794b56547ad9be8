"""X12 in a cluster: three Services behind one URL, and what the route says while one is away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from e2e.gateways import ALL, Fleet, free_pair, gateway, policy, route
from e2e.kubectl import Kubectl, eventually
from e2e.pods import PYTHON, pod
from ostiary_cli.demo.agent import Agent, Someone, agent_of
from ostiary_cli.demo.tap import Tap

pytestmark = pytest.mark.usefixtures("installed")
FILES = (PYTHON, "-m", "ostiary_cli.demo.files", "--listen=0.0.0.0:8080")
LONG = "n" * 61
"""Behind `odd_` it has 65 characters."""
ODD = f"""
import asyncio, socket
from mcp.server.mcpserver import MCPServer
from ostiary_cli.demo.serving import serve

def look() -> str:
    return "seen"

server = MCPServer("odd", log_level="WARNING")
for name in ("look", "{LONG}"):
    server.add_tool(look, name=name)
bound = socket.create_server(("0.0.0.0", 8080))
asyncio.run(serve(server.streamable_http_app(host="0.0.0.0"), bound, None))
"""


def served(kubectl: Kubectl, name: str, image: str, command: Sequence[str]) -> None:
    """Start a Deployment and its Service."""
    template = pod(name, image, command=command, port=8080)
    template["spec"]["restartPolicy"] = "Always"
    spec = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": template["metadata"], "spec": template["spec"]},
    }
    kubectl.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    )
    kubectl("expose", f"deployment/{name}", "--port=8080")


@pytest.fixture
def desk(kubectl: Kubectl, demo_image: str) -> Fleet:
    """A gateway with one route to three servers, all of them Ready."""
    names = {"files": FILES, "docs": FILES, "odd": (PYTHON, "-c", ODD)}
    for name, command in names.items():
        served(kubectl, name, demo_image, command)
    port = free_pair()
    backends = [{"name": name, "backendRef": {"name": name, "port": 8080}} for name in names]
    joined = route("", name="desk")
    joined["spec"] = {"gatewayRef": {"name": "main"}, "backends": backends}
    kubectl.apply(gateway(port), joined, policy(ALL, target="desk"))
    for name in names:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    kubectl.wait_for("mcproute/desk")
    kubectl("rollout", "status", "deployment/ostiary-main", "--timeout=90s")
    url = f"http://localhost:{port}/{kubectl.namespace}/desk"
    return Fleet(url=url, kubectl=kubectl, port=port, upstream="")


def scale(kubectl: Kubectl, name: str, replicas: int) -> None:
    """Scale a Deployment, and wait until its pods are there or gone."""
    kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
    if replicas:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    else:
        kubectl("wait", "pod", f"--selector=app={name}", "--for=delete", "--timeout=60s")


def said(kubectl: Kubectl, rules: str) -> dict[str, Any]:
    """Return the route's status once the proxy has told what its servers did.

    It tells with every push, else within half a minute: an edit of a policy makes it tell now.
    """
    kubectl.apply(policy({**ALL, "name": rules}, target="desk"))
    status: dict[str, Any] = kubectl.get("mcproute", "desk")["status"]
    return {
        **{one["type"]: (one["status"], one["reason"]) for one in status["conditions"]},
        "message": {one["type"]: one["message"] for one in status["conditions"]},
        "leftOutTools": status.get("leftOutTools"),
    }


async def listed(agent: Agent, missing: list[str] | None) -> set[str]:
    """Return which servers' tools a list shows in which these are missing.

    Which pods are behind a Service is known everywhere a moment after they come and go.
    """
    async with asyncio.timeout(30):
        while True:
            found = await agent.client.list_tools()
            if (found.meta or {}).get("ostiary.dev/partial") == missing:
                return {tool.name.partition("_")[0] for tool in found.tools}
            await asyncio.sleep(0.2)


async def test_three_services_are_one_server_and_one_may_go_and_come_back(
    kubectl: Kubectl, desk: Fleet
) -> None:
    person = Someone(username="alice", password="secret")
    with desk.forwarded():
        async with agent_of(person, desk.url, Tap()) as agent:
            whole = await listed(agent, None)
            assert (await agent.call("odd_look")).value == "seen"

            scale(kubectl, "docs", 0)
            partial = await listed(agent, ["docs"])
            away = eventually(
                lambda: said(kubectl, "away"), lambda s: s["UpstreamReachable"][0] == "False"
            )
            columns = kubectl("get", "mcproute", "desk", "--no-headers").split()

            scale(kubectl, "docs", 1)
            again = await listed(agent, None)
            assert not (await agent.call("docs_list_files")).refused
            back = eventually(
                lambda: said(kubectl, "back"), lambda s: s["UpstreamReachable"][0] == "True"
            )

    assert whole == again == {"files", "docs", "odd"}
    assert partial == {"files", "odd"}
    assert away["Ready"] == ("True", "Ready")
    assert away["UpstreamReachable"] == ("False", "PartlyReachable")
    assert "docs: " in away["message"]["UpstreamReachable"]
    assert columns[:3] == ["desk", "True", "Ready"]
    assert away["leftOutTools"] == back["leftOutTools"] == [f"odd_{LONG}"]
