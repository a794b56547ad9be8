"""Metrics of what is particular to MCP: eras bridged, results used again, rounds, servers away."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ostiary_proxy.audit.tally import Tally
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.spoken import Era

__all__ = ["mcp_metrics"]

_TOWARD: Final = {Era.LEGACY: "2025", Era.MODERN: "2026"}


def mcp_metrics(live: Live | None, tally: Tally) -> Iterator[Metric]:
    """Yield each metric as it stands now; `live` is None before the first bundle."""
    yield from _counters(live, tally)
    yield from _gauges(live)


def _counters(live: Live | None, tally: Tally) -> Iterator[Metric]:
    bridged = live.spoken.bridged if live is not None else Counter[Era]()
    toward = {_TOWARD[era]: count for era, count in bridged.items()}
    found = live.kept.found if live is not None else Counter[str]()
    for name, text, label, counts in (
        ("bridged_requests", "Requests said in the other era", "toward", toward),
        ("kept_results", "Looks for a kept result", "found", found),
        ("own_requests", "What the proxy said to servers by itself", "method", tally.own),
    ):
        family = CounterMetricFamily(f"ostiary_{name}", text, labels=[label])
        for value, count in sorted(counts.items()):
            family.add_metric([value], count)
        yield family
    rounds, resumed = tally.rounds, tally.resumed
    yield CounterMetricFamily("ostiary_input_rounds", "Calls made again with input", rounds)
    yield CounterMetricFamily("ostiary_resumed_streams", "Streams gone on with", resumed)


def _gauges(live: Live | None) -> Iterator[Metric]:
    away = sessions = waiting = 0
    if live is not None:
        servers = [
            one for route in live.routes.values() for one in route.servers.values() or [route]
        ]
        away = sum(bool(live.upstreams.last.get(one.route.server_key)) for one in servers)
        sessions = len(live.older.sessions)
        waiting = len(live.older.parked) + live.underway.waiting
    for name, text, count in (
        ("servers_away", "MCP servers that the last request did not find", away),
        ("bridged_sessions", "Sessions held at servers of older revisions", sessions),
        ("waiting_calls", "Calls that wait for what their server asked", waiting),
    ):
        yield GaugeMetricFamily(f"ostiary_{name}", text, count)
