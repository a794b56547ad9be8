"""An operator that works in its own namespace only, installed as users do."""

import json
from collections.abc import Iterator

import pytest

from e2e.cluster.layout import ROOT, Layout
from e2e.gateways import ALL, Fleet
from e2e.kubectl import Kubectl
from e2e.pods import serve_files

INSTALL = ROOT / "manifests" / "install-namespace.yaml"


@pytest.fixture
def confined(operator_image: str, proxy_image: str) -> Iterator[Kubectl]:
    """The operator, installed for the namespace that the file names; kubectl in it."""
    kubectl = Kubectl(namespace="ostiary")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(INSTALL))
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def test_it_rolls_out_and_asks_for_nothing_beyond_its_namespace(
    confined: Kubectl, own_cluster: Layout, demo_image: str
) -> None:
    Fleet.roll_out(confined, serve_files(confined, demo_image), ALL)

    user = f"system:serviceaccount:{confined.namespace}:ostiary-operator"
    lines = own_cluster.audit.read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["user"]["username"] == user]
    elsewhere = [
        event["requestURI"]
        for event in events
        if "objectRef" in event and f"/namespaces/{confined.namespace}" not in event["requestURI"]
    ]
    refused = [event["requestURI"] for event in events if event["responseStatus"]["code"] == 403]
    assert events
    assert (elsewhere, refused) == ([], [])
