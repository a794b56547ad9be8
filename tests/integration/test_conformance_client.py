"""The conformance suite's own servers behind a running gateway: it judges what a client sends.

The gateway is the client then, and the SDK's conformance client speaks through it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway_parts import Gateway, dev, three_files
from real_parts import conformance_client

RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""
SCENARIOS: Mapping[str, tuple[str, int]] = {
    "initialize": ("2025-11-25", 1),
    "tools_call": ("2025-11-25", 2),
    "elicitation-sep1034-client-defaults": ("2025-11-25", 5),
    "sse-retry": ("2025-11-25", 3),
    "request-metadata": ("2026-07-28", 8),
    "sep-2322-client-request-state": ("2026-07-28", 5),
    "http-standard-headers": ("2026-07-28", 9),
    "http-custom-headers": ("2026-07-28", 18),
    "http-invalid-tool-headers": ("2026-07-28", 12),
    "json-schema-ref-no-deref": ("2026-07-28", 1),
    "json-schema-2020-12-preservation": ("2026-07-28", 9),
}
"""Every client scenario but those of OAuth: revision, and checks passed as without a gateway."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    files = three_files("http://127.0.0.1:9/mcp", RULES)
    with dev(tmp_path_factory.mktemp("conformance-client"), files) as running:
        yield running


@pytest.fixture(scope="module")
def issued(gateway: Gateway) -> str:
    return gateway.log_in()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_the_gateway_says_to_servers_loses_no_check(
    gateway: Gateway, issued: str, tmp_path: Path, scenario: str
) -> None:
    revision, checks = SCENARIOS[scenario]

    counts = conformance_client(
        gateway, issued, tmp_path, "--scenario", scenario, "--spec-version", revision
    )

    assert (counts.passed, counts.lost) == (checks, ()), counts.output
