"""Policy.md 13 as a user writes it: a route on which servers may not ask for samples and forms.

Obeyed in both eras, native and bridged, and with several servers behind one URL.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from select import select
from typing import Any

import pytest

from gateway_parts import Gateway, dev, policy_yaml, route_yaml, three_files, until
from hostile_parts import Behaviour, RawServer, raw_server, typed
from hostile_peer_parts import (
    ERAS,
    GOOD,
    Caller,
    Era,
    behaving,
    callers,
    eventful,
    records_of,
)
from hostile_peer_parts import RULES as ALLOWED

RULES = (
    ALLOWED
    + """\
    - name: no-samples-no-forms
      effect: Deny
      match: {server: [sampling, elicitation/form]}
"""
)
FORM = {"type": "object", "properties": {"pin": {"type": "string"}}}
KINDS: Mapping[str, tuple[str, dict[str, Any], bool]] = {
    "sampling": ("sampling/createMessage", {"messages": [], "maxTokens": 9}, False),
    "elicitation/form": (
        "elicitation/create", {"mode": "form", "message": "?", "requestedSchema": FORM}, False,
    ),
    "elicitation/url": (
        "elicitation/create",
        {"mode": "url", "message": "?", "url": "https://a.example", "elicitationId": "e"},
        True,
    ),
    "roots": ("roots/list", {}, True),
}  # fmt: skip
"""By subject the method, its params, and whether the policy lets a server ask it."""
CAN: Mapping[str, Any] = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}}
NUMBERS = count(1000)
ROUTES = {"2025": "files", "2026": "r1", "2026 before 2025": "r2", "2025 before 2026": "r3"}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, RawServer]]:
    with raw_server() as old, raw_server() as new:
        yield {"2025-11-25": old, "2026-07-28": new}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, servers: Mapping[str, RawServer]
) -> Iterator[Gateway]:
    """Serve each era's server alone, and both of them behind `desk`."""
    files = three_files(servers["2025-11-25"].url, RULES)
    for name, route in list(ROUTES.items())[1:]:
        files[f"{route}.yaml"] = route_yaml(servers[ERAS[name].server].url, name=route)
        files[f"{route}-policy.yaml"] = policy_yaml(RULES, route=route, name=route)
    listed = ", ".join(f"{{name: s{n[:4]}, to: {s.url}}}" for n, s in servers.items())
    joined = route_yaml("x", name="desk").replace("to: x", f"backends: [{listed}]")
    files["desk.yaml"] = joined.replace("  mcp: {}\n", "")
    files["desk-policy.yaml"] = policy_yaml(RULES, route="desk", name="desk")
    with dev(tmp_path_factory.mktemp("asks"), files) as running:
        yield running


@pytest.fixture(scope="module")
def issued(gateway: Gateway) -> Mapping[str, str]:
    """Return an access token of alice's for each route."""
    return {route: gateway.log_in(route) for route in (*ROUTES.values(), "desk")}


def asking(era: Era, server: RawServer, kind: str) -> Behaviour:
    """Return the behaviour of a server whose tool `evil` asks this, and answers once it knows."""
    method, params, _ = KINDS[kind]

    def evil(connection: socket.socket, request_id: Any) -> None:
        entry = {"method": method, "params": params}
        asked = {"resultType": "input_required", "inputRequests": {"q": entry}}
        answer: Any = {"jsonrpc": "2.0", "id": request_id, "result": asked}
        if era.server == "2026-07-28":
            connection.sendall(typed("application/json", json.dumps(answer).encode()))
            return
        own_id = f"ask-{request_id}"
        connection.sendall(eventful(json.dumps({"jsonrpc": "2.0", "id": own_id, **entry}).encode()))
        told = f'"{own_id}"'.encode()
        until(lambda: any(told in body for body in server.bodies) or left(connection))
        good = {"jsonrpc": "2.0", "id": request_id, "result": GOOD}
        with suppress(OSError):
            connection.sendall(b"data: " + json.dumps(good).encode() + b"\n\n")

    return behaving(era, evil)


def left(connection: socket.socket) -> bool:
    """Say whether the other side is gone."""
    return bool(select([connection], [], [], 0)[0]) and not connection.recv(1)


def is_obeyed(gateway: Gateway, alice: Caller, tool: str, kind: str) -> None:
    """Check that the client is asked what policy allows, and that the log says of the rest why."""
    method, _, allowed = KINDS[kind]
    number = next(NUMBERS)

    said = alice.hear(tool, number, **CAN)

    inside = list(said.get("result", {}).get("inputRequests", {}).values())
    asked = [one["method"] for one in (said, *inside) if "method" in one]
    if allowed:
        assert asked == [method]
        return
    assert asked == []
    facts = [one["facts"] for one in records_of(gateway, number)]
    refused = [one.get("error") == -31003 or one.get("decision") == "drop" for one in facts]
    assert any(refused)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ERAS)
def test_what_policy_forbids_a_server_to_ask_reaches_no_client(
    gateway: Gateway,
    servers: Mapping[str, RawServer],
    issued: Mapping[str, str],
    name: str,
    kind: str,
) -> None:
    era = ERAS[name]
    servers[era.server].behave = asking(era, servers[era.server], kind)
    route = ROUTES[name]
    people = callers(gateway, era, {"alice": issued[route]}, route=route)

    is_obeyed(gateway, people["alice"], "evil", kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ERAS)
def test_nor_does_it_behind_one_url_with_a_server_of_the_other_era(
    gateway: Gateway,
    servers: Mapping[str, RawServer],
    issued: Mapping[str, str],
    name: str,
    kind: str,
) -> None:
    era = ERAS[name]
    for speaks, server in servers.items():
        server.behave = asking(Era(client=era.client, server=speaks), server, kind)
    people = callers(gateway, era, {"alice": issued["desk"]}, route="desk")

    is_obeyed(gateway, people["alice"], f"s{era.server[:4]}_evil", kind)
