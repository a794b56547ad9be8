"""Which image proxies are of: where tools replace it, and how the operator takes it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.layout import ROOT
from e2e.gateways import gateway
from e2e.kubectl import Kubectl, eventually
from ostiary.decode.yaml_documents import read_documents
from ostiary_operator.api import Api
from ostiary_operator.failures import NotFound
from ostiary_operator.proxy_image import ProxyImage

REGISTRY = "registry.example.com/team"
NAMES = ("ostiary-operator", "ostiary-proxy")


def template(image: str) -> dict[str, Any]:
    containers = [{"name": "proxy", "image": image}]
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "ostiary-proxy"},
        "template": {"spec": {"containers": containers}},
    }


@pytest.mark.parametrize("installation", ["install.yaml", "install-namespace.yaml"])
def test_kustomize_replaces_both_images(installation: str, tmp_path: Path) -> None:
    (tmp_path / "install.yaml").write_text((ROOT / "manifests" / installation).read_text())
    images = "".join(f"\n- {{name: {n}, newName: {REGISTRY}/{n}, newTag: v9}}" for n in NAMES)
    kustomization = f"resources: [install.yaml]\nimages:{images}\n"
    (tmp_path / "kustomization.yaml").write_text(kustomization)

    made = Kubectl(namespace="default")("kustomize", str(tmp_path))

    objects = [document.value for document in read_documents(made.encode(), "made")]
    assert sorted(set(images_in(objects))) == [f"{REGISTRY}/{name}:v9" for name in NAMES]


def images_in(value: Any) -> Iterator[str]:
    """Yield the image of every container, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from images_in(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "containers" and isinstance(item, list):
                yield from (container["image"] for container in item)
            else:
                yield from images_in(item)


async def test_the_template_is_told_once_and_again_where_it_says_otherwise(
    api: Api, kubectl: Kubectl
) -> None:
    told: list[str] = []
    image = ProxyImage(api, kubectl.namespace, "ostiary-proxy", told.append)
    with pytest.raises(NotFound):
        await image.look()

    for said in ("one:1", "one:1", "two:2"):
        await asyncio.to_thread(kubectl.apply, template(said))
        await image.look()

    assert told == ["one:1", "two:2"]


@pytest.mark.timeout(300)
def test_every_gateway_is_rolled_out_with_the_image_that_the_template_says(
    kubectl: Kubectl, installed: Kubectl
) -> None:
    def image() -> str:
        spec = kubectl.get("deployment", "ostiary-main")["spec"]["template"]["spec"]
        return str(spec["containers"][0]["image"])

    kubectl.apply(gateway(18080))
    kubectl.wait_for("mcpgateway/main")
    before = image()
    patch = '[{"op": "replace", "path": "/template/spec/containers/0/image", "value": "%s"}]'
    change = ("patch", "podtemplate/ostiary-proxy", "--type=json", "--patch")
    installed(*change, patch % "example.com/none:1")
    eventually(image, lambda found: found == "example.com/none:1")

    installed(*change, patch % before)
    eventually(image, lambda found: found == before)
    kubectl.wait_for("mcpgateway/main")
