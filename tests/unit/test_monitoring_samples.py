"""What stands in manifests/monitoring finds what a cluster really gets, counts what is there."""

import re
from collections.abc import Iterator
from typing import Any

from ostiary_cli.installation import Installation
from real_parts import ROOT
from rendered_parts import documents, operator_pod, proxy_pod

MONITORING = ROOT / "manifests" / "monitoring"
OPERATIONS = ROOT / "docs" / "operations"
OF_A_HISTOGRAM = ("_count", "_sum", "_bucket")


def one(name: str) -> Any:
    (found,) = documents(MONITORING / name)
    return found


def alerts() -> list[Any]:
    return [rule for group in one("alerts.yaml")["spec"]["groups"] for rule in group["rules"]]


def test_the_proxies_of_every_gateway_are_read_at_a_port_of_theirs() -> None:
    spec, proxy = one("proxies.yaml")["spec"], proxy_pod()
    (endpoint,) = spec["podMetricsEndpoints"]
    (relabeled,) = endpoint["relabelings"]

    assert spec["namespaceSelector"] == {"any": True}
    assert spec["selector"]["matchLabels"].items() <= proxy.labels.items()
    assert endpoint["port"] in proxy.ports
    assert relabeled == {"sourceLabels": [_meta("ostiary.dev/gateway")], "targetLabel": "gateway"}
    assert "ostiary.dev/gateway" in proxy.labels


def _meta(label: str) -> str:
    """Return what Prometheus calls a label of a pod that it finds."""
    return f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', label)}"


def test_the_operator_is_read_at_a_port_of_its_service() -> None:
    monitor = one("operator.yaml")
    (service,) = (item for item in Installation().objects() if item["kind"] == "Service")
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = (p for p in service["spec"]["ports"] if p["name"] == endpoint["port"])

    assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"]
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    assert selected <= service["metadata"]["labels"].items()
    assert port["targetPort"] in operator_pod().ports


def test_every_alert_counts_what_there_is() -> None:
    pages = "".join((OPERATIONS / name).read_text() for name in ("metrics.md", "operator.md"))
    documented = set(re.findall(r"^\| `(ostiary_\w+)`", pages, re.MULTILINE))

    assert set(_counted()) - documented == set()


def _counted() -> Iterator[str]:
    for rule in alerts():
        for name in re.findall(r"ostiary_\w+", rule["expr"]):
            yield next((name.removesuffix(e) for e in OF_A_HISTOGRAM if name.endswith(e)), name)


def test_every_alert_is_explained_and_every_explained_one_exists() -> None:
    page = (OPERATIONS / "alerts.md").read_text()

    assert re.findall(r"^\| `(Ostiary\w+)` \|", page, re.MULTILINE) == [
        rule["alert"] for rule in alerts()
    ]
