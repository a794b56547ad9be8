"""The official conformance suite through a running gateway, policy judged and not bypassed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_parts import (
    Gateway,
    dev,
    free_port,
    three_files,
)
from real_parts import conformance, everything_server

RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("conformance")
    with everything_server(folder, free_port()) as upstream:
        files = three_files(upstream, RULES)
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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_suites_own_requirements_are_met_through_the_gateway(
    gateway: Gateway, tmp_path: Path, revision: str
) -> None:
    issued = gateway.log_in()

    counts = conformance(gateway.url(), tmp_path, "--requirements", revision, issued=issued)

    assert counts.exit_code == 0, counts.output


@pytest.mark.timeout(300)
def test_without_a_token_everything_is_refused_and_nothing_reaches_the_server(
    gateway: Gateway, tmp_path: Path
) -> None:
    before = len([r for r in gateway.records() if r["kind"] == "decision"])

    counts = conformance(gateway.url(), tmp_path, "--suite", "all", "--spec-version", "2026-07-28")

    assert counts.failed > 70
    assert len([r for r in gateway.records() if r["kind"] == "decision"]) == before
