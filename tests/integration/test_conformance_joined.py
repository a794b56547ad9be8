"""The official conformance suite through a route that joins two servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway_parts import Gateway, dev, free_port, gateway_yaml, joined_yaml, policy_yaml
from real_parts import conformance, short_everything_server

RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""
LEGACY_URIS: Final = {
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "resources-subscribe",
    "resources-unsubscribe",
}
MODERN_URIS: Final = {"resources-read-text", "resources-read-binary", "resources-templates-read"}
"""Checks that ask for `test://static-text` and its like without having listed it.

No joined URI can look so: it begins with the name of its server, `test+test://static-text`.
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("conformance-joined")
    with short_everything_server(folder, free_port()) as upstream:
        # The suite's `json_schema_2020_12_tool` is the one tool whose name begins with `json_`.
        files = {
            "gateway.yaml": gateway_yaml(),
            "route.yaml": joined_yaml({"test": upstream, "json": upstream}),
            "policy.yaml": policy_yaml(RULES, route="desk"),
        }
        with dev(folder, files) as running:
            yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("revision", "checks", "lost"),
    [
        ("2025-03-26", 3, set()),
        ("2025-06-18", 51, LEGACY_URIS),
        ("2025-11-25", 78, LEGACY_URIS),
        ("2026-07-28", 149, MODERN_URIS),
    ],
)
def test_the_official_suite_loses_nothing_but_uris_that_no_joined_resource_has(
    gateway: Gateway, tmp_path: Path, revision: str, checks: int, lost: set[str]
) -> None:
    issued = gateway.log_in("desk")

    counts = conformance(
        gateway.url("desk"), tmp_path, "--suite", "all", "--spec-version", revision, issued=issued
    )

    named = {said.split(": ")[1] for said in counts.lost}
    assert (counts.passed, named, counts.failed) == (checks, lost, len(lost)), counts.lost
