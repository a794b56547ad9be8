"""Every metric is documented, and every documented one exists."""

import re
from collections.abc import Mapping
from typing import Any

from prometheus_client import generate_latest

from legacy_parts import LegacyServer
from mcp_parts import world
from newer_parts import ModernServer, opening
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import Kind, Record
from ostiary_proxy.audit.tally import Tally
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.mcp_metrics import mcp_metrics
from ostiary_proxy.edge.metrics import Metrics, registry_of
from ostiary_proxy.pipeline.live import Live
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


def record(kind: Kind, **facts: Json) -> Record:
    return Record(id="d1", kind=kind, at=0.0, facts=facts)


def test_rounds_resumptions_and_what_the_gateway_says_are_counted_from_their_records() -> None:
    made = metrics()
    allow: Mapping[str, Json] = {"decision": "allow", "method": "tools/call"}
    made.tally.count(record(Kind.DECISION, **allow, answers=["roots"]))
    made.tally.count(record(Kind.DECISION, **allow, resumes="d0"))
    for method in ("initialize", "DELETE", "initialize"):
        made.tally.count(record(Kind.DECISION, decision="allow", by="gateway", method=method))

    assert {
        'ostiary_decisions_total{code="Allowed",decision="allow"} 2.0',
        'ostiary_own_requests_total{method="DELETE"} 1.0',
        'ostiary_own_requests_total{method="initialize"} 2.0',
        "ostiary_input_rounds_total 1.0",
        "ostiary_resumed_streams_total 1.0",
        'ostiary_audit_records_total{kind="decision"} 5.0',
    } <= set(lines(made))


async def test_what_goes_on_between_eras_and_is_used_again_is_counted() -> None:
    w = world(LegacyServer({"tools/list": lambda _: {"tools": []}}))
    await w.modern("tools/list")
    w.live.upstreams.failed("team/files", "connect")
    newer, session = await opening(ModernServer({"tools/list": lambda _: {"tools": []}}))
    await newer.legacy(session, "tools/list")

    assert samples(w.live) == {
        ("bridged_requests_total", "2025"): 1,
        ("kept_results_total", "no"): 1,
        ("input_rounds_total",): 0,
        ("resumed_streams_total",): 0,
        ("servers_away",): 1,
        ("bridged_sessions",): 1,
        ("waiting_calls",): 0,
    }
    assert samples(newer.live)["bridged_requests_total", "2026"] == 1


def samples(live: Live) -> dict[tuple[str, ...], float]:
    """Return the values of what is particular to MCP, by name and label."""
    found = (sample for metric in mcp_metrics(live, Tally()) for sample in metric.samples)
    return {(one.name.removeprefix("ostiary_"), *one.labels.values()): one.value for one in found}
