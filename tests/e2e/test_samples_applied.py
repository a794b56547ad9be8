"""A real API server takes every sample as it stands."""

import pytest

from e2e.kubectl import Kubectl
from sample_parts import SAMPLES, Sample

pytestmark = pytest.mark.usefixtures("kinds")


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def test_a_sample_is_taken(name: str, kubectl: Kubectl) -> None:
    objects = Sample(path=SAMPLES / f"{name}.yaml").objects()
    for item in objects:
        item["metadata"].pop("namespace", None)  # into the test's own

    kubectl.apply(*(item for item in objects if item["kind"] != "Namespace"))
