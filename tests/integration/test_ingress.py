"""Behind a real nginx that is configured as the sample of an Ingress says."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from door_parts import Door
from gateway_parts import Gateway, dev, gateway_yaml, policy_yaml, route_yaml
from hostile_parts import MIRRORED, RawServer, answers, head, modern, raw_server, typed
from nginx_parts import directives_of, nginx
from rendered_parts import NETWORKING, documents

OFFICE, ELSEWHERE = "127.0.0.9", "127.0.0.8"
RULES = f"""
    - {{name: all, effect: Allow, match: {{tools: [read_file]}}, who: {{everyone: true}}}}
    - {{name: office, effect: Allow, match: {{tools: [delete_file]}}, who: {{everyone: true}},
       where: {{cidrs: ["{OFFICE}/32"]}}}}
"""
ANSWER = {"jsonrpc": "2.0", "id": 7, "result": {"resultType": "complete", "content": []}}
PROGRESS = {
    "jsonrpc": "2.0",
    "method": "notifications/progress",
    "params": {"progressToken": "p", "progress": 1},
}


def event(message: Any) -> bytes:
    return f"data: {json.dumps(message)}\n\n".encode()


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: RawServer) -> Iterator[Gateway]:
    files = {
        "gateway.yaml": gateway_yaml(extra="  trustedProxies: [127.0.0.1/32]\n"),
        "route.yaml": route_yaml(upstream.url),
        "policy.yaml": policy_yaml(RULES),
    }
    with dev(tmp_path_factory.mktemp("ingress"), files) as running:
        yield running


@pytest.fixture(scope="module")
def issued(gateway: Gateway) -> str:
    return gateway.log_in()


@pytest.fixture(scope="module")
def doors(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Door]]:
    """The nginx of the sample, and one that is as hasty as nginx can be."""
    (ingress,) = documents(NETWORKING / "ingress.yaml")
    said = directives_of(ingress["metadata"]["annotations"])
    hasty = [*(each for each in said if "read_timeout" not in each), "proxy_read_timeout 1s;"]
    behind = urlsplit(gateway.issuer).netloc
    with nginx(tmp_path_factory.mktemp("nginx"), behind, said, hasty) as listens:
        yield [Door(listen=listen, origin=gateway.issuer) for listen in listens]


@pytest.fixture(autouse=True)
def well(upstream: RawServer) -> None:
    upstream.behave = answers()
    upstream.released.clear()


@pytest.fixture
def door(doors: list[Door]) -> Door:
    return doors[0]


@contextmanager
def asked(
    door: Door, gateway: Gateway, issued: str, *, tool: str = "read_file", source: str = OFFICE,
    text: str = "", **headers: str,
) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
    """Call a tool through a door from a source address; yields the answer, not read yet."""
    host, _, port = door.listen.rpartition(":")
    sent = {
        "Host": urlsplit(door.origin).netloc,
        "Authorization": f"Bearer {issued}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **MIRRORED,
        "Mcp-Name": tool,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    body = json.dumps(modern(tool, path=text))
    connection = http.client.HTTPConnection(host, int(port), timeout=30, source_address=(source, 0))
    with closing(connection):
        connection.request("POST", urlsplit(gateway.url()).path, body, sent)
        yield connection.getresponse()


def allowed(*where: Any, **how: Any) -> bool:
    """Call a tool and say whether it was."""
    with asked(*where, **how) as answer:
        return "result" in json.loads(answer.read())


def test_an_event_leaves_before_the_next_one_exists(
    door: Door, gateway: Gateway, issued: str, upstream: RawServer
) -> None:
    top = head("content-type: text/event-stream", "connection: close")
    upstream.behave = upstream.hangs(top + event(PROGRESS), event(ANSWER))

    with asked(door, gateway, issued) as answer:
        first = next(line for line in answer if line.startswith(b"data:"))
        before = upstream.released.is_set()
        upstream.released.set()
        last = next(line for line in answer if line.startswith(b"data:"))

    assert (json.loads(first[5:])["method"], before) == ("notifications/progress", False)
    assert json.loads(last[5:])["id"] == 7


def test_a_silent_answer_is_waited_for(
    doors: list[Door], gateway: Gateway, issued: str, upstream: RawServer
) -> None:
    body = json.dumps(ANSWER).encode()
    upstream.behave = upstream.hangs(last=typed("application/json", body))
    patient, hasty = doors

    with ThreadPoolExecutor(1) as beside:
        waited = beside.submit(allowed, patient, gateway, issued)
        with asked(hasty, gateway, issued) as cut:
            assert cut.status == 504
        upstream.released.set()

        assert waited.result(30)


@pytest.mark.parametrize(("source", "may"), [(OFFICE, True), (ELSEWHERE, False)])
@pytest.mark.parametrize(
    "claimed", [{}, {"X_Forwarded_For": OFFICE}, {"X_Forwarded_For": "1.1.1.1"}]
)
def test_callers_are_known_by_their_own_address_whatever_they_claim(
    source: str, may: bool, claimed: dict[str, str], *, door: Door, gateway: Gateway, issued: str
) -> None:
    how = {"tool": "delete_file", "source": source, **claimed}

    assert allowed(door, gateway, issued, **how) == may


def test_what_a_proxy_takes_gets_there(door: Door, gateway: Gateway, issued: str) -> None:
    assert allowed(door, gateway, issued, text="a" * 3 * 1024**2)
