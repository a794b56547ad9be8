"""Every metric is documented, and every documented one exists."""

import re
from typing import Any

from prometheus_client import generate_latest

from ostiary_proxy.audit.tally import Tally
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.metrics import Metrics, registry_of
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.reload import Reloader
from real_parts import ROOT

DOCUMENT = ROOT / "docs" / "operations" / "metrics.md"


def metrics() -> Metrics:
    async def build(_: Any) -> Any:
        raise ValueError

    reloader = Reloader(build, lambda: 0.0, lambda _: None)
    return Metrics(
        reloader=reloader,
        confirmation=Confirmation(None, reloader),
        streams=Streams(),
        tally=Tally(),
        upstreams=Upstreams(),
    )


def lines(made: Metrics) -> list[str]:
    return generate_latest(registry_of(made)).decode().splitlines()


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    made = {line.split()[2] for line in lines(metrics()) if line.startswith("# TYPE ostiary_")}
    documented = set(re.findall(r"^\| `(ostiary_\w+)`", DOCUMENT.read_text(), re.MULTILINE))

    assert documented == made


def test_counts_are_shown_with_their_labels() -> None:
    made = metrics()
    made.answered(200)
    made.tally.decisions["deny", "Denied"] = 3
    made.tally.would["team/rules"] = 2
    made.upstreams.answered("team/one", 200, 0.02)
    made.upstreams.answered("team/one", 200, 90)

    assert {
        'ostiary_http_answers_total{status="200"} 1.0',
        'ostiary_decisions_total{code="Denied",decision="deny"} 3.0',
        'ostiary_would_deny_total{policy="team/rules"} 2.0',
        'ostiary_upstream_seconds_bucket{le="0.01"} 0.0',
        'ostiary_upstream_seconds_bucket{le="0.025"} 1.0',
        'ostiary_upstream_seconds_bucket{le="+Inf"} 2.0',
        "ostiary_upstream_seconds_count 2.0",
        "ostiary_upstream_seconds_sum 90.02",
    } <= set(lines(made))
