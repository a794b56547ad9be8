"""What the other tests take for granted of the cluster, and of the images in it."""

import json
import os
import urllib.error
import urllib.request
from typing import Any

import pytest
from mcp import Client

from e2e.cluster import lifecycle
from e2e.cluster.layout import Layout
from e2e.kubectl import Kubectl, KubectlFailed, eventually
from e2e.pods import PYTHON, pod
from ostiary.config.keys import KeyDocument

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: state}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
"""


def ended(kubectl: Kubectl, name: str) -> tuple[int, str]:
    """Wait for a pod's end; return its exit code and what it said."""

    def state() -> Any:
        (status,) = kubectl.get("pod", name)["status"].get("containerStatuses", [{"state": {}}])
        return status["state"].get("terminated")

    return eventually(state, seconds=60)["exitCode"], kubectl.logs(f"pod/{name}")


def run(kubectl: Kubectl, image: str, *code: str) -> str:
    """Run lines of Python in a pod and return what they print."""
    kubectl.apply(pod("run", image, command=(PYTHON, "-c", "\n".join(code))))
    status, said = ended(kubectl, "run")
    assert status == 0, said
    return said.strip()


@pytest.mark.parametrize(
    ("image", "program"),
    [
        ("proxy_image", "ostiary-proxy"),
        ("proxy_image", "ostiary"),
        ("operator_image", "ostiary-operator"),
        ("demo_image", "ostiary"),
    ],
)
def test_an_image_has_the_programs_that_it_is_for(
    kubectl: Kubectl, request: pytest.FixtureRequest, image: str, program: str
) -> None:
    kubectl.apply(pod("help", request.getfixturevalue(image), command=(program, "--help")))

    status, said = ended(kubectl, "help")

    assert (status, said.split("[")[0]) == (0, f"Usage: {program} ")


def test_the_proxys_image_runs_the_proxy_which_says_what_it_lacks(
    kubectl: Kubectl, proxy_image: str
) -> None:
    keys = json.dumps(KeyDocument.generate(os.urandom).reveal())
    secret = {"metadata": {"name": "keys"}, "stringData": {"keys.json": keys}}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", **secret})
    places = ("state", "audit", "checkpoints", "admin-token")
    args = ["--bundle=/bundle", "--keys=/keys/keys.json", "--status=0.0.0.0:9090"]
    args += [f"--{place}=/state/{place}" for place in places]
    empty: dict[str, Any] = {"emptyDir": {}}
    mounts = {"/keys": {"secret": {"secretName": "keys"}}, "/state": empty, "/bundle": empty}
    kubectl.apply(pod("bare", proxy_image, args=args, mounts=mounts, port=9090))
    kubectl.wait_for("pod/bare")

    with (
        kubectl.port_forward("pod/bare", 9090) as port,
        pytest.raises(urllib.error.HTTPError, match="503") as refused,
    ):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10)

    assert refused.value.read() == b"there is no bundle yet\n"
    refused.value.close()


def test_a_pod_is_nobody_and_may_write_nowhere(kubectl: Kubectl, proxy_image: str) -> None:
    said = run(
        kubectl,
        proxy_image,
        "import os",
        "print(os.getuid(), os.path.exists('/var/run/secrets/kubernetes.io'))",
        "try: open('/written', 'w')",
        "except OSError as error: print(error.strerror)",
    )

    assert said.splitlines() == ["65532 False", "Read-only file system"]


def test_the_images_hold_compiled_code_and_no_way_to_install_more(
    kubectl: Kubectl, proxy_image: str
) -> None:
    said = run(
        kubectl,
        proxy_image,
        "import importlib.util, os, ostiary_proxy.main as main",
        "print(os.path.exists(main.__cached__), importlib.util.find_spec('pip'))",
    )

    assert said == "True None"


def test_a_service_is_found_by_its_name(kubectl: Kubectl, proxy_image: str) -> None:
    said = run(
        kubectl,
        proxy_image,
        "import socket",
        "print(socket.gethostbyname('kubernetes.default'))",
        "print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))",
    )

    address = Kubectl(namespace="default").get("service", "kubernetes")["spec"]["clusterIP"]
    assert said.splitlines() == [address, address]


def test_a_port_of_a_pod_is_reached_from_here(kubectl: Kubectl, proxy_image: str) -> None:
    serve = (PYTHON, "-m", "http.server", "8000", "--directory", "/etc/ssl")
    kubectl.apply(pod("served", proxy_image, command=serve, port=8000))
    kubectl.wait_for("pod/served")

    with (
        kubectl.port_forward("pod/served", 8000) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer,
    ):
        page = answer.read()

    assert b"certs/" in page


async def test_a_real_mcp_server_can_stand_behind_a_route(
    kubectl: Kubectl, file_server: str
) -> None:
    with kubectl.port_forward("service/files", 8080) as port:
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}

    assert file_server == f"http://files.{kubectl.namespace}.svc:8080/mcp"
    assert tools == {"list_files", "read_file", "write_file", "search_files", "publish_file"}


def test_what_is_written_to_a_claim_outlives_the_pod(kubectl: Kubectl, proxy_image: str) -> None:
    kubectl.apply(CLAIM)
    mounts = {"/state": {"persistentVolumeClaim": {"claimName": "state"}}}
    write, read = "open('/state/kept', 'w').write('kept')", "print(open('/state/kept').read())"
    for name, code in (("first", write), ("second", read)):
        kubectl.apply(pod(name, proxy_image, command=(PYTHON, "-c", code), mounts=mounts))
        status, said = ended(kubectl, name)
        assert status == 0, said

    assert said.strip() == "kept"


def test_a_pod_that_asks_for_more_than_restricted_is_refused(
    kubectl: Kubectl, proxy_image: str
) -> None:
    asking = pod("greedy", proxy_image)
    asking["spec"]["securityContext"] = {"runAsUser": 0}

    with pytest.raises(KubectlFailed, match='violates PodSecurity "restricted:latest"'):
        kubectl.apply(asking)


def test_the_api_server_can_be_killed_and_comes_back_with_all_it_knew(
    kubectl: Kubectl, own_cluster: Layout
) -> None:
    kubectl("create", "configmap", "known", "--from-literal=a=1")

    lifecycle.restart(own_cluster, "kube-apiserver")

    def known() -> Any:
        try:
            return kubectl.get("configmap", "known")["data"]
        except KubectlFailed:
            return None

    assert eventually(known) == {"a": "1"}


def test_the_audit_log_tells_what_a_service_account_asked_for(
    kubectl: Kubectl, namespace: str, own_cluster: Layout
) -> None:
    kubectl(
        "--kubeconfig=/dev/null",
        f"--server={kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}')}",
        f"--certificate-authority={own_cluster.certificates}/ca.crt",
        f"--token={kubectl('create', 'token', 'default').strip()}",
        "auth",
        "whoami",
    )

    def asked() -> set[str]:
        events = [json.loads(line) for line in own_cluster.audit.read_text().splitlines()]
        return {
            f"{event['verb']} {event['objectRef']['resource']}"
            for event in events
            if event["user"]["username"] == f"system:serviceaccount:{namespace}:default"
        }

    assert eventually(asked) == {"create selfsubjectreviews"}
