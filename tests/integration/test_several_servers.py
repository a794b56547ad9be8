"""X12 through the real proxy: three servers that we did not write behind one URL, both eras."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult, ToolListChangedNotification

from gateway_parts import Gateway, dev, gateway_yaml, joined_yaml, policy_yaml, until
from older_peers import everything_in_typescript
from real_parts import everything_server, free_port
from sample_parts import Sample, call, log_in, pretend_github, serving
from sdk_parts import files_server

RULES = """
    - {name: all, effect: Allow, who: {everyone: true}}
    - {name: asking, effect: Allow, who: {everyone: true}, match: {server: [elicitation/form]}}
    - {name: no-deleting, effect: Deny, match: {tools: ["files_delete_*"]}}
"""
ASKING = {"legacy": "all_test_elicitation", "auto": "all_test_input_required_result_elicitation"}
"""Tools that ask a person, each in the way of its era."""
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A gateway with one route to three servers, and where the one that may be stopped is."""

    gateway: Gateway
    folder: Path
    port: int

    @contextmanager
    def files(self) -> Iterator[None]:
        """Run the files server while the context lasts."""
        with files_server(self.folder, port=self.port):
            yield

    @asynccontextmanager
    async def client(
        self, mode: str, told: asyncio.Queue[Any] | None = None
    ) -> AsyncIterator[Client]:
        """Yield an SDK client of alice's that fills in forms; what it is told goes to `told`."""

        async def hear(message: Any) -> None:
            if told is not None:
                told.put_nowait(message)

        async def answer(context: Any, params: Any) -> ElicitResult:
            fields = params.requested_schema["properties"]
            return ElicitResult(action="accept", content=dict.fromkeys(fields, "alice"))

        issued = await asyncio.to_thread(self.gateway.log_in, "desk")
        headers = {"Authorization": f"Bearer {issued}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(
                streamable_http_client(self.gateway.url("desk"), http_client=http),
                mode=mode,
                elicitation_callback=answer,
                message_handler=hear,
                cache=None,
            ) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder, port = tmp_path_factory.mktemp("several"), free_port()
    with everything_server(folder, free_port()) as all_, everything_in_typescript(folder) as old:
        backends = {"files": f"http://127.0.0.1:{port}/mcp", "all": all_, "old": old}
        files = {
            "gateway.yaml": gateway_yaml(),
            "route.yaml": joined_yaml(backends),
            "policy.yaml": policy_yaml(RULES, route="desk"),
        }
        with dev(folder, files) as gateway:
            yield Desk(gateway=gateway, folder=folder, port=port)


def text_of(result: Any) -> str:
    return str(result.content[0].text)


@ERAS
async def test_three_servers_are_one(desk: Desk, mode: str) -> None:
    with desk.files():
        async with desk.client(mode) as client:
            listed = await client.list_tools()
            said = [
                text_of(await client.call_tool("files_read_file", {"path": "a.txt"})),
                text_of(await client.call_tool("all_test_simple_text", {})),
                text_of(await client.call_tool("old_echo", {"message": "hi"})),
                text_of(await client.call_tool(ASKING[mode], {"message": "who?"})),
            ]
            prompt = await client.get_prompt("files_summary", {"topic": "tea"})
            note = await client.read_resource("files+notes://today")
            with pytest.raises(MCPError, match="not found or not permitted"):
                await client.call_tool("files_delete_file", {"path": "a.txt"})
            assert client.server_info is not None
            name = client.server_info.name

    names = {tool.name for tool in listed.tools}
    assert {"files_read_file", "all_test_simple_text", "old_echo"} <= names
    assert "files_delete_file" not in names
    assert said[0] == "contents of a.txt"
    assert said[2] == "Echo: hi"
    assert "alice" in said[3]
    assert prompt.messages[0].content.text == "Summarise tea"  # type: ignore[union-attr]
    assert str(note.contents[0].uri) == "files+notes://today"
    assert name == "The desk"


@ERAS
async def test_one_server_may_go_and_come_back(desk: Desk, mode: str) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(desk.files())
        async with desk.client(mode) as client:
            before = await client.list_tools()
            stack.close()
            without = await client.list_tools()
            with pytest.raises(MCPError, match="files: "):
                await client.call_tool("files_read_file", {"path": "a"})
            still = text_of(await client.call_tool("old_echo", {"message": "hi"}))
            reported = desk.gateway.admin("/revision").json()
            stack.enter_context(desk.files())
            after = await client.list_tools()
            again = text_of(await client.call_tool("files_read_file", {"path": "b"}))

    assert (before.meta or {}).get("ostiary.dev/partial") is None
    assert (without.meta or {})["ostiary.dev/partial"] == ["files"]
    assert not any(tool.name.startswith("files_") for tool in without.tools)
    assert still == "Echo: hi"
    assert reported["upstreams"]["default/desk/files"] == "nothing takes connections there"
    assert reported["upstreams"]["default/desk/old"] == ""
    assert [tool.name for tool in after.tools] == [tool.name for tool in before.tools]
    assert again == "contents of b"


@ERAS
async def test_a_client_that_comes_while_a_server_is_away_finds_it_later(
    desk: Desk, mode: str
) -> None:
    async with desk.client(mode) as client:
        partial = await client.list_tools()
        with desk.files():
            whole = await client.list_tools()
            said = text_of(await client.call_tool("files_read_file", {"path": "c"}))

    assert (partial.meta or {})["ostiary.dev/partial"] == ["files"]
    assert "files_read_file" in {tool.name for tool in whole.tools}
    assert said == "contents of c"


async def test_a_client_with_an_open_stream_is_told_once_a_server_is_back(desk: Desk) -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    async with desk.client("legacy", told) as client:
        await client.list_tools()
        with desk.files():
            async with asyncio.timeout(30):
                while not isinstance(await told.get(), ToolListChangedNotification):
                    pass
            tools = (await client.list_tools()).tools

    assert "files_read_file" in {tool.name for tool in tools}


@contextmanager
def taking_calls_in_silence() -> Iterator[str]:
    """Take connections and never answer; yields the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:  # the kernel accepts
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"


def test_a_server_that_hangs_holds_up_the_first_answer_alone(tmp_path: Path) -> None:
    with (
        files_server(tmp_path, port=(port := free_port())),
        taking_calls_in_silence() as silent,
    ):
        files = {
            "gateway.yaml": gateway_yaml(),
            "route.yaml": joined_yaml({"files": f"http://127.0.0.1:{port}/mcp", "hung": silent}),
            "policy.yaml": policy_yaml(RULES, route="desk"),
        }
        with dev(tmp_path, files) as gateway:
            desk = Desk(gateway=gateway, folder=tmp_path, port=port)
            missing = asyncio.run(many_lists(desk))
            reported = gateway.admin("/revision").json()["upstreams"]

    assert missing == [["hung"]] * 5
    assert reported["default/desk/hung"] == "it did not answer in time"


async def many_lists(desk: Desk) -> list[Any]:
    """List five times, in less time than three waits take; return who was missing."""
    async with asyncio.timeout(60), desk.client("auto") as client:
        return [((await client.list_tools()).meta or {})["ostiary.dev/partial"] for _ in range(5)]


async def test_each_call_is_recorded_with_the_server_that_it_went_to(desk: Desk) -> None:
    async with desk.client("auto") as client:
        await client.call_tool("old_echo", {"message": "for the record"})

    def recorded() -> bool:
        facts = [record["facts"] for record in desk.gateway.records()]
        return any(fact.get("name") == "old_echo" and fact.get("server") == "old" for fact in facts)

    until(recorded)


def test_each_servers_account_is_connected_while_the_client_logs_in(tmp_path: Path) -> None:
    port = free_port()
    with pretend_github(tmp_path, f"http://localhost:{port}/account/callback") as origin:
        sample = Sample(path=tmp_path / "hub.yaml")
        sample.path.write_text(hub_yaml(origin))
        with serving(tmp_path, {sample: f"{origin}/mcp"}, port=port) as gateway:
            issued = log_in(gateway, "hub", "alice")
            said = [call(gateway, issued, claim, "hub") for claim in sample.claims()]
            listed = gateway.ostiary("accounts", "list", "--user", "alice", "-o", "json")
            connected = [
                record["facts"]["route"]
                for record in gateway.records()
                if record["facts"].get("event") == "account-connected"
            ]

    assert all(outcome.allowed and "alice" in outcome.text for outcome in said)
    assert connected == ["default/hub/code", "default/hub/mail"]
    assert [one["route"] for one in json.loads(listed.stdout)] == connected


def hub_yaml(origin: str) -> str:
    """Return a route to two servers at which people have accounts, under the claims about it."""
    login = f"{origin}/login/oauth"
    backends = "".join(
        f"""
    - name: {name}
      to: {origin}/mcp
      mcp:
        upstreamOAuth2:
          clientId: ostiary-demo
          clientSecretRef: {{name: github-app, key: secret}}
          endpoint: {{authUrl: {login}/authorize, tokenUrl: {login}/access_token}}
          scopes: [repo, "read:user"]"""
        for name in ("code", "mail")
    )
    return f"""#   alice (engineering) calls code_get_me {{}}: allowed
#   alice (engineering) calls mail_get_me {{}}: allowed
apiVersion: ostiary.dev/v1alpha1
kind: MCPRoute
metadata: {{name: hub, namespace: default}}
spec:
  backends:{backends}
---
{policy_yaml("[{name: all, effect: Allow, who: {everyone: true}}]", route="hub", name="hub")}"""
