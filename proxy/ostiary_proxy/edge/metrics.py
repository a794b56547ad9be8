"""The proxy's metrics, made of plain integers when somebody asks; docs/operations/metrics.md."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from ostiary import __version__
from ostiary_proxy.audit.tally import Tally
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.mcp_metrics import mcp_metrics
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.reload import Reloader

__all__ = ["Metrics", "registry_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metrics(Collector):
    """Everything that is counted; `answers` are those of the public port, by HTTP status."""

    reloader: Reloader
    confirmation: Confirmation
    streams: Streams
    tally: Tally
    upstreams: Upstreams
    answers: Counter[int] = field(default_factory=Counter)

    def answered(self, status: int) -> None:
        """Count one answer of the public port."""
        self.answers[status] += 1

    def collect(self) -> Iterator[Metric]:
        """Return every metric as it stands now."""
        yield InfoMetricFamily("ostiary_build", "What runs", {"version": __version__})
        yield from self._configuration()
        yield from self._traffic()
        yield self._latency()
        runtime = self.reloader.current
        yield from mcp_metrics(runtime.live if runtime is not None else None, self.tally)

    def _configuration(self) -> Iterator[Metric]:
        reloader, loaded = self.reloader, self.reloader.loaded
        gauges = (
            ("revision", "Revision served", loaded.revision),
            ("faults", "Objects of it that can't be served and are closed", len(loaded.faults)),
            ("unconfirmed", "1 while no operator says it is current", self._unconfirmed),
            (
                "last_success_timestamp_seconds",
                "When a configuration was taken last",
                reloader.last_success or 0,
            ),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"ostiary_config_{name}", text, value)
        yield CounterMetricFamily(
            "ostiary_config_refused", "Configurations refused", reloader.refused
        )

    @property
    def _unconfirmed(self) -> int:
        return int(not self.confirmation.confirmed)

    def _traffic(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ostiary_open_streams", "Streams open now", len(self.streams))
        yield CounterMetricFamily(
            "ostiary_audit_unwritten",
            "Records that could not be written, and stopped what they record",
            self.tally.unwritten,
        )
        for name, text, labels, counts in (
            ("http_answers", "Answers of the public port", ["status"], _keyed(self.answers)),
            ("decisions", "Decisions", ["decision", "code"], self.tally.decisions),
            ("audit_records", "Records written", ["kind"], _keyed(self.tally.records)),
            (
                "would_deny",
                "Messages that Audit rules would have refused",
                ["policy"],
                _keyed(self.tally.would),
            ),
            (
                "upstream_failures",
                "Requests to MCP servers without an answer",
                ["reason"],
                _keyed(self.upstreams.failures),
            ),
        ):
            family = CounterMetricFamily(f"ostiary_{name}", text, labels=labels)
            for values, count in sorted(counts.items()):
                family.add_metric(list(values), count)
            yield family

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "ostiary_upstream_seconds", "Time until an MCP server's answer began"
        )
        bounds = [*map(str, Upstreams.BOUNDS), "+Inf"]
        counts = accumulate(self.upstreams.buckets)
        family.add_metric([], list(zip(bounds, counts, strict=True)), self.upstreams.seconds)
        return family


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """Return the registry of one process: our metrics, and those of the process itself."""
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    return registry


def _keyed(counts: Counter[str] | Counter[int]) -> dict[tuple[str, ...], int]:
    return {(str(key),): count for key, count in counts.items()}
