"""Every client works with every server through the gateway, whatever revision each speaks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import Gateway, dev, gateway_yaml, policy_yaml, route_yaml
from peer_parts import CLIENTS, Client, see, steps
from peer_servers import BOTH, SERVERS, WORDS, Server
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
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Gateway]]:
    """Start two gateways, each before half of the servers; return them by the servers' names.

    One alone would be asked for more registrations in a minute than a source may make.
    """
    with ExitStack() as running:
        yield {
            server.name: gateway
            for half in (SERVERS[::2], SERVERS[1::2])
            for gateway in [running.enter_context(before(half, tmp_path_factory.mktemp("interop")))]
            for server in half
        }


@contextmanager
def before(servers: Sequence[Server], folder: Path) -> Iterator[Gateway]:
    """Start the servers and a gateway before them, whose log has to stay clean."""
    files = {"gateway.yaml": gateway_yaml()}
    with ExitStack() as started:
        for server in servers:
            name, url = route_of(server), started.enter_context(server.run(folder))
            files[f"{name}.yaml"] = route_yaml(url, name=name)
            rules = RULES.replace("FORBIDDEN", server.forbidden)
            files[f"{name}-policy.yaml"] = policy_yaml(rules, route=name, name=name)
        with dev(folder, files) as gateway:
            yield gateway
        log = (gateway.state / "proxy.log").read_text().splitlines()
        assert [line for line in log if '"level": "info"' not in line] == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_works_with_a_server(
    gateways: Mapping[str, Gateway], tmp_path: Path, client: Client, server: Server
) -> None:
    url = gateways[server.name].url(route_of(server))
    seen = see(client, server, url, tmp_path / "client.log")

    expected = {step.word: step.seen for step in steps(client, server)}
    assert seen["version"] == client.version
    assert server.forbidden not in seen["listed"]
    assert server.listed in (None, tuple(seen["listed"]))
    assert seen["forbidden"].startswith("error -32602: ")
    assert "not found or not permitted" in seen["forbidden"]
    assert {word: begun(seen[word], said) for word, said in expected.items()} == expected
    WORKED[client.name, server.name] = seen


def begun(seen: Any, said: Any) -> Any:
    """Return what was seen, a long text only as far as it is said to begin."""
    return seen[: len(said)] if isinstance(said, str) else seen


def test_what_a_cell_lacks_has_a_reason_and_every_reason_is_needed() -> None:
    for client, server in product(CLIENTS, SERVERS):
        reasons = (*server.lacks, *client.lacks)
        known = {lack.word for lack in reasons if client.era in lack.eras}
        assert set(missing(client, server)) == known, (client.name, server.name)


def test_the_documented_tables_are_what_was_seen(update_golden: bool) -> None:
    head, _, _ = PAGE.read_text().partition("\n| word")
    page = "\n".join((head.rstrip(), "", *legend(), "", *table(), "", *reasons(), ""))

    if update_golden:
        PAGE.write_text(page)

    assert PAGE.read_text() == page


def legend() -> list[str]:
    return [
        "| word | the client |",
        "|---|---|",
        *(f"| {w} | {does} |" for w, does in WORDS.items()),
    ]


def table() -> list[str]:
    return [
        f"| client | {' | '.join(server.name for server in SERVERS)} |",
        f"|---|{'---|' * len(SERVERS)}",
        *(f"| {c.name} | {' | '.join(cell(c, s) for s in SERVERS)} |" for c in CLIENTS),
    ]


def cell(client: Client, server: Server) -> str:
    seen = WORKED.get((client.name, server.name))
    if seen is None:
        return "✗"
    bridged = "" if server.speaks in ("all", client.era) else ", bridged"
    words = missing(client, server)
    return f"{seen['version']}{bridged}: all{' but ' if words else ''}{', '.join(words)}"


def missing(client: Client, server: Server) -> list[str]:
    does = {step.word for step in steps(client, server)}
    return [word for word in WORDS if word not in does]


def reasons() -> list[str]:
    """Return why words are missing, a line each."""
    servers = ((f"{one.name} as a server", one.lacks) for one in SERVERS)
    clients = ((f"{one.name} as a client", one.lacks) for one in CLIENTS)
    return [
        f"- {peer}{_TO[lack.eras]}: no *{lack.word}*, because {lack.why}."
        for peer, lacks in chain(servers, clients)
        for lack in lacks
    ]


_TO = {BOTH: "", ("2025",): ", to clients of 2025", ("2026",): ", to clients of 2026"}
