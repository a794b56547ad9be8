"""From the version that UPGRADE_FROM names to this one, under load: nobody notices."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.conftest import INSTALL
from e2e.gateways import READ, Fleet, redis
from e2e.kubectl import Kubectl, eventually
from e2e.load import under_load

pytestmark = pytest.mark.timeout(400)
TWO = {"proxy": {"replicas": 2}}
OPERATOR = "deployment/ostiary-operator"


@pytest.fixture
def fleet(kubectl: Kubectl, installed_before: Kubectl, file_server: str, redis_image: str) -> Fleet:
    return Fleet.roll_out(kubectl, file_server, READ, **{**redis(kubectl, redis_image), **TWO})


def test_an_upgrade_under_load_fails_no_request_and_keeps_sessions_grants_and_revisions(
    fleet: Fleet, installed_before: Kubectl, demo_image: str, proxy_image: str, operator_image: str
) -> None:
    kubectl = fleet.kubectl
    with fleet.doors() as (one, two):
        tokens = fleet.log_in(authorize=one, redeem=two)
        session = fleet.session(two, tokens.access)
    before = images(fleet)

    with under_load(fleet, demo_image, tokens.access) as load, mounted(kubectl) as revisions:
        installed_before("apply", "--server-side", "--force-conflicts", "-f", str(INSTALL))
        installed_before("rollout", "status", OPERATOR, "--timeout=90s")
        eventually(lambda: images(fleet), lambda now: now == {proxy_image}, seconds=120)
        kubectl("rollout", "status", "deployment/ostiary-main", "--timeout=90s")
        for kind, name in (("mcpgateway", "main"), ("mcproute", "files"), ("mcppolicy", "rules")):
            kubectl.wait_for(f"{kind}/{name}")

    print(f"{load.allowed} calls allowed and {load.refused} refused during the upgrade")
    assert before == {proxy_image.replace("proxy", "proxy-before")}
    assert (load.broken, load.failed, load.wrong) == ([], [], [])
    assert min(load.allowed, load.refused) > 20
    assert kubectl.get("mcpgateway", "main")["status"]["image"] == proxy_image
    assert running(installed_before) == {operator_image}
    assert revisions
    assert revisions == sorted(revisions)
    with fleet.doors() as (one, two):
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert one.send(fleet.path, listing, **session).status == 200
        again = two.form(
            "/token", grant_type="refresh_token", refresh_token=tokens.refresh,
            client_id=tokens.client_id,
        ).json()  # fmt: skip
        assert fleet.call(one, again["access_token"], tool="list_files").status == 200


def images(fleet: Fleet) -> set[str]:
    """Return the images of the proxies that there are, going away or not."""
    pods = fleet.kubectl.get("pods", "--selector=app.kubernetes.io/instance=main")
    return {
        container["image"]
        for pod in pods
        for container in pod["spec"]["containers"]
        if container["name"] == "proxy"
    }


def running(installed: Kubectl) -> set[str]:
    """Return the image of the operator."""
    deployment = installed.get("deployment", "ostiary-operator")
    return {each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]}


@contextmanager
def mounted(kubectl: Kubectl) -> Iterator[list[int]]:
    """Collect the revision of the mounted bundle, each time that it is written."""
    revisions: list[int] = []
    shown = "-o=jsonpath={.data.bundle-000}{'\\n'}"
    watch = ("get", "secret/ostiary-main-bundle-v1-00", "--watch", shown)
    command = ["kubectl", f"--namespace={kubectl.namespace}", *watch]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield revisions
        process.terminate()
        shards = map(base64.b64decode, process.stdout.read().split())
        revisions += [json.loads(shard.partition(b"\n")[0])["revision"] for shard in shards]
