"""What the operator says of itself in numbers."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of the loop; `watch` adds what is read where it is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.plans = Counter(
            "ostiary_operator_plans", "Plans by outcome", ["outcome"], registry=self.registry
        )
        for outcome in ("done", "not_carried_out", "failed"):
            self.plans.labels(outcome)
        self.plan_seconds = Histogram(
            "ostiary_operator_plan_seconds",
            "How long a plan takes to make",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.reviews = Counter(
            "ostiary_operator_webhook_reviews",
            "Objects that the API server asked about",
            ["verdict"],
            registry=self.registry,
        )
        for verdict in ("allowed", "refused", "late", "misread"):
            self.reviews.labels(verdict)
        self.last_success = self._gauge(
            "last_plan_success_timestamp_seconds", "When everything was last planned and acted on"
        )
        self.closed_routes = self._gauge(
            "closed_routes", "Routes that refuse everything because of a fault of theirs"
        )
        self.leader = self._gauge("leader", "Whether this replica acts")

    def watch(self, values: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Add gauges that are read where they are asked for: name → text and function."""
        for name, (text, value) in values.items():
            self._gauge(name, text).set_function(value)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"ostiary_operator_{name}", text, registry=self.registry)
