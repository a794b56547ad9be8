"""One cluster for the whole run, a namespace for each test; README.md says how to use them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from e2e.cluster import lifecycle
from e2e.cluster.binaries import build
from e2e.cluster.layout import CACHE, ROOT, Layout
from e2e.gateways import ALL, Fleet, three_on_redis
from e2e.images import BEFORE, OURS, archive, context, current, reference
from e2e.kubectl import Kubectl, new_namespace
from e2e.pods import serve_files
from e2e.provider import Own, Provider, choose
from e2e.stages import TwoStages
from ostiary_operator.api import Api
from real_parts import require

CRDS = ROOT / "crds"
INSTALL = ROOT / "manifests" / "install.yaml"
PROVIDER = pytest.StashKey[Provider]()


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"]
    config.stash[PROVIDER] = choose(alone=None if worker == "gw0" else f"cluster-{worker}")


def pytest_xdist_auto_num_workers() -> int:
    """Run two workers where each has a cluster of its own, else none: one cluster is one stage."""
    return 2 if isinstance(choose(), Own) else 0


def pytest_report_header(config: pytest.Config) -> str:
    return f"cluster: {config.stash[PROVIDER].name}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoStages:
    """Give each worker its tests."""
    return TwoStages(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the installed operator last: it would act on what other tests make."""
    last = ("installed", "installed_before")
    items.sort(key=lambda item: [name in getattr(item, "fixturenames", ()) for name in last])


@pytest.fixture(scope="session", autouse=True)
def cluster(pytestconfig: pytest.Config) -> Iterator[Provider]:
    """The cluster; KUBECONFIG names it, and the `kubectl` on PATH fits it."""
    before = dict(os.environ)
    provider = pytestconfig.stash[PROVIDER]
    provider.start()
    yield provider
    provider.stop()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def own_cluster(cluster: Provider) -> Layout:
    """Our own cluster, for what no other can do: restarting a component, reading the audit log."""
    require(isinstance(cluster, Own), "our own cluster", "the tests without KUBECONFIG and kind")
    assert isinstance(cluster, Own)
    return cluster.layout


@pytest.fixture(scope="session")
def empty_cluster(own_cluster: Layout) -> Iterator[Path]:
    """A cluster beside that of the tests, which has our images and nothing else; its kubeconfig.

    Each test leaves it so.
    """
    require(all(map(current, OURS)), "the images as they are in the tree", "make e2e")
    layout = Layout(folder=CACHE / "empty-cluster")
    lifecycle.up(layout, build())
    for name in OURS:
        lifecycle.load(layout, archive(name))
    yield layout.kubeconfig
    lifecycle.down(layout)


@pytest.fixture(scope="session")
def proxy_image(cluster: Provider) -> str:
    """The proxy's image, in the cluster."""
    cluster.load("proxy")
    return reference("proxy")


@pytest.fixture(scope="session")
def operator_image(cluster: Provider) -> str:
    """The operator's image, in the cluster."""
    cluster.load("operator")
    return reference("operator")


@pytest.fixture(scope="session")
def demo_image(cluster: Provider) -> str:
    """The image of the command and of the demo's MCP servers, in the cluster."""
    cluster.load("demo")
    return reference("demo")


@pytest.fixture(scope="session")
def redis_image(cluster: Provider) -> str:
    """The image of a redis-server, in the cluster."""
    cluster.load("redis")
    return reference("redis")


@pytest.fixture(scope="session")
def kinds(cluster: Provider) -> None:
    """The three kinds, known to the cluster."""
    kubectl = Kubectl(namespace="default")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    # The server says 429 of a kind that it has only just learnt; kubectl asks again.
    kubectl("get", "mcpgateways,mcproutes,mcppolicies")


@pytest.fixture(scope="session")
def installed_before(cluster: Provider) -> Iterator[Kubectl]:
    """The version that UPGRADE_FROM names, installed; kubectl in its namespace.

    What it has become stays: `installed` goes on with it.
    """
    images = {name.removesuffix("-before"): reference(name) for name in BEFORE}
    manifest = (context("operator-before") / "manifests" / "install.yaml").read_text()
    for name in BEFORE:
        cluster.load(name)
    kubectl = Kubectl(namespace="ostiary-system")
    kubectl.apply(re.sub(r"ostiary-(\w+):[0-9]\S*", lambda found: images[found[1]], manifest))
    kubectl.wait_for("deployment/ostiary-operator", "condition=Available")
    yield kubectl
    kubectl("delete", "-f", str(INSTALL), "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def installed(operator_image: str, proxy_image: str) -> Iterator[Kubectl]:
    """The operator, installed as users do; kubectl in its namespace."""
    kubectl = Kubectl(namespace="ostiary-system")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(INSTALL))
    kubectl.wait_for("deployment/ostiary-operator", "condition=Available")
    yield kubectl
    kubectl("delete", "-f", str(INSTALL), "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def three_proxies(installed: Kubectl, demo_image: str, redis_image: str) -> Iterator[Fleet]:
    """Three proxies on Redis; who takes them says first which rules they `obey`."""
    with three_on_redis(demo_image, redis_image, ALL) as fleet:
        yield fleet


@pytest.fixture
def kubectl(cluster: Provider) -> Iterator[Kubectl]:
    """kubectl, in a namespace of this test's own."""
    with new_namespace() as kubectl:
        yield kubectl


@pytest.fixture
async def api(cluster: Provider) -> AsyncIterator[Api]:
    """The API server, as the operator speaks to it."""
    opened = await Api.connect(Path(os.environ["KUBECONFIG"]))
    yield opened
    await opened.close()
    await asyncio.sleep(0.25)  # connections with TLS close a moment later


@pytest.fixture
def namespace(kubectl: Kubectl) -> str:
    """The name of that namespace."""
    return kubectl.namespace


@pytest.fixture
def file_server(kubectl: Kubectl, demo_image: str) -> str:
    """A real MCP server of the official SDK (`list_files`, `read_file` ...); its URL inside."""
    return serve_files(kubectl, demo_image)
