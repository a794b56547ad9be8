"""The official conformance suite through a running gateway, policy judged and not bypassed."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_parts import (
    Gateway,
    ask,
    dev,
    free_port,
    policy_yaml,
    route_yaml,
    three_files,
)
from hostile_parts import RawServer, raw_server
from real_parts import conformance, everything_server

RULES = """
    - name: everything
      effect: Allow
      who: {everyone: true}
      rateLimit: {requests: 100000, per: 1h, by: [user, tool]}
      transform: {redact: [{pattern: "[0-9]{16}"}, {in: Arguments, paths: [password]}]}
    - name: no-path-out
      effect: Deny
      match: {tools: ["*"]}
      condition: has(args.path) && path(args.path).startsWith("secrets/")
    - {name: nobody-deletes, effect: Deny, match: {tools: ["delete_*"]}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""


REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")


@pytest.fixture(scope="module")
def untouched() -> Iterator[RawServer]:
    """Run a server that nobody may reach."""
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, untouched: RawServer) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("conformance")
    with everything_server(folder, free_port()) as upstream:
        files = three_files(upstream, RULES)
        files["untouched.yaml"] = route_yaml(untouched.url, name="untouched")
        files["untouched-policy.yaml"] = policy_yaml(RULES, route="untouched", name="untouched")
        with dev(folder, files) as running:
            yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("revision", "checks"),
    [("2025-03-26", 3), ("2025-06-18", 56), ("2025-11-25", 84), ("2026-07-28", 152)],
)
def test_the_official_suite_loses_no_check_through_the_gateway(
    gateway: Gateway, tmp_path: Path, revision: str, checks: int
) -> None:
    issued = gateway.log_in()

    counts = conformance(
        gateway.url(), tmp_path, "--suite", "all", "--spec-version", revision, issued=issued
    )

    assert (counts.passed, counts.lost) == (checks, ())
    assert set() < judged_by(gateway) <= {"everything", "ask-back"}


def judged_by(gateway: Gateway) -> set[str]:
    """Return the rules that allowed requests; each was allowed by one."""
    facts = [r["facts"] for r in gateway.records() if r["kind"] == "decision"]
    return {one["rule"]["rule"] for one in facts if "rpc_id" in one and one["decision"] == "allow"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_suites_own_requirements_are_met_through_the_gateway(
    gateway: Gateway, tmp_path: Path, revision: str
) -> None:
    issued = gateway.log_in()

    counts = conformance(gateway.url(), tmp_path, "--requirements", revision, issued=issued)

    assert counts.exit_code == 0, counts.output


@pytest.mark.timeout(300)
@pytest.mark.parametrize("revision", REVISIONS)
def test_without_a_token_everything_is_refused_and_nothing_reaches_the_server(
    gateway: Gateway, untouched: RawServer, tmp_path: Path, revision: str
) -> None:
    before = statuses(gateway)

    counts = conformance(
        gateway.url("untouched"), tmp_path, "--suite", "all", "--spec-version", revision
    )

    assert counts.failed > 0
    seen = statuses(gateway) - before
    assert seen["401"] > 0
    assert seen.keys() <= {"401", *OF_FOREIGN_ORIGINS}
    assert untouched.heads == []


OF_FOREIGN_ORIGINS = ("403", "404")
"""What the suite's attempts with another Origin and Host are told, before anybody is asked."""


def statuses(gateway: Gateway) -> Counter[str]:
    """Return how often the public port has answered with which status."""
    at = json.loads((gateway.state / "proxy-ready.json").read_text())["status"]
    lines = ask(f"http://{at}/metrics", headers={}).body.decode().splitlines()
    found = (
        re.fullmatch(r'ostiary_http_answers_total{status="(\d+)"} (\d+).*', one) for one in lines
    )
    return Counter({one[1]: int(one[2]) for one in found if one})
