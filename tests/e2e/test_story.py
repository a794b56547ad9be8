"""What the operator is for: three objects are applied, and an agent works through them."""

import time

import pytest

from e2e.gateways import ALL, READ, Fleet, policy
from e2e.kubectl import Kubectl
from ostiary_cli.demo.agent import Agent, Someone, agent_of
from ostiary_cli.demo.tap import Tap

pytestmark = pytest.mark.usefixtures("installed")
TOOLS = ["list_files", "read_file", "write_file", "search_files"]
VERIFY = (
    *("ostiary", "audit", "verify", "--log=/var/lib/ostiary/audit"),
    *("--checkpoints=/var/lib/ostiary-checkpoints", "--keys=/etc/ostiary/keys/keys.json"),
)


async def test_an_agent_logs_in_calls_and_obeys_an_edit_at_once(
    kubectl: Kubectl, file_server: str
) -> None:
    began = time.monotonic()
    fleet = Fleet.roll_out(kubectl, file_server, ALL)
    print(f"gateway, route and policy applied and Ready: {time.monotonic() - began:.1f} s")
    person = Someone(username="alice", password="secret")

    with fleet.forwarded():
        async with agent_of(person, fleet.url, Tap()) as agent:
            assert set(TOOLS) <= set(await agent.tools())
            assert not (await agent.call("write_file", path="a", text="b")).refused

            kubectl.apply(policy(READ))
            print(f"an edit obeyed {await refused_after(agent):.2f} s after its apply")

            assert await agent.tools() == ["list_files", "read_file"]
            assert (await agent.call("read_file", path="a")).value == {"path": "a", "text": "b"}
    said = kubectl("exec", "deployment/ostiary-main", "-c", "proxy", "--", *VERIFY)
    assert "intact" in said


async def refused_after(agent: Agent) -> float:
    """Call until a call is refused, ten seconds at most; return how long that took."""
    began = time.monotonic()
    while not (await agent.call("write_file", path="a", text="b")).refused:
        assert time.monotonic() - began < 10, "it is still allowed"
    return time.monotonic() - began
