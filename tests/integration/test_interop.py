"""Every client works with every server through the gateway, whatever revision each speaks."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import Gateway, dev, gateway_yaml, policy_yaml, route_yaml
from peer_parts import CLIENTS, SERVERS, Client, Server, see
from real_parts import ROOT

PAGE = ROOT / "docs" / "reference" / "interoperability.md"
RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: questions
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
    - {name: not-this, effect: Deny, match: {tools: [FORBIDDEN]}}
"""
WORKED: dict[tuple[str, str], Mapping[str, Any]] = {}
"""What each client saw of each server, where that was right."""


def route_of(server: Server) -> str:
    return f"server-{SERVERS.index(server)}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("interop")
    files = {"gateway.yaml": gateway_yaml()}
    with ExitStack() as servers:
        for server in SERVERS:
            name, url = route_of(server), servers.enter_context(server.run(folder))
            files[f"{name}.yaml"] = route_yaml(url, name=name)
            rules = RULES.replace("FORBIDDEN", server.forbidden)
            files[f"{name}-policy.yaml"] = policy_yaml(rules, route=name, name=name)
        with dev(folder, files) as running:
            yield running


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_works_with_a_server(
    gateway: Gateway, tmp_path: Path, client: Client, server: Server
) -> None:
    seen = see(client, server, gateway.url(route_of(server)), tmp_path / "client.log")

    assert seen["version"] == client.version
    assert server.forbidden not in seen["tools"]
    assert seen["forbidden"].startswith("error -32602: ")
    assert "not found or not permitted" in seen["forbidden"]
    assert {name: begun(seen[name], said) for name, said in server.seen.items()} == server.seen
    WORKED[client.name, server.name] = seen


def begun(seen: Any, said: Any) -> Any:
    """Return what was seen, a long text only as far as it is said to begin."""
    return seen[: len(said)] if isinstance(said, str) else seen


def test_the_documented_table_is_what_was_seen(update_golden: bool) -> None:
    head, _, _ = PAGE.read_text().partition("\n| client")
    page = f"{head.rstrip()}\n\n{table()}"

    if update_golden:
        PAGE.write_text(page)

    assert PAGE.read_text() == page


def table() -> str:
    lines = [
        f"| client | {' | '.join(server.name for server in SERVERS)} |",
        f"|---|{'---|' * len(SERVERS)}",
        *(f"| {c.name} | {' | '.join(cell(c, s) for s in SERVERS)} |" for c in CLIENTS),
    ]
    return "\n".join(lines) + "\n"


def cell(client: Client, server: Server) -> str:
    seen = WORKED.get((client.name, server.name))
    if seen is None:
        return "✗"
    asked = "" if server.plan["ask"] is None else ", question"
    bridged = "" if server.speaks in ("all", client.version[:4]) else ", bridged"
    return f"{seen['version']}{bridged}: tools, resource, prompt{asked}"
