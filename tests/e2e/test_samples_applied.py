"""A real API server takes every sample as it stands."""

from pathlib import Path

import pytest

from e2e.cluster.layout import ROOT
from e2e.kubectl import Kubectl
from real_parts import require
from rendered_parts import NETWORKING, documents
from sample_parts import SAMPLES
from setup_parts import gateway_api_crds

pytestmark = pytest.mark.usefixtures("kinds")
FILES = sorted((*SAMPLES.glob("*.yaml"), *NETWORKING.glob("*.yaml")))


@pytest.fixture(scope="module")
def gateway_api() -> None:
    """The kinds of the Gateway API."""
    folder = gateway_api_crds()
    require(folder.is_dir(), "the definitions of the Gateway API")
    kubectl = Kubectl(namespace="default")
    crd = str(folder / "gateway.networking.k8s.io_httproutes.yaml")
    kubectl("apply", "--server-side", "-f", crd)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", crd)


@pytest.mark.usefixtures("gateway_api")
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "manifests")))
def test_a_sample_is_taken(path: Path, kubectl: Kubectl) -> None:
    objects = documents(path)
    for item in objects:
        item["metadata"].pop("namespace", None)  # into the test's own

    kubectl.apply(*(item for item in objects if item["kind"] != "Namespace"))
