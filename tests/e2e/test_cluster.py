"""What the other tests take for granted of the cluster, and of the images in it."""

import json
import urllib.request
from typing import Any

import pytest

from e2e.cluster import lifecycle
from e2e.cluster.layout import Layout
from e2e.kubectl import Kubectl, KubectlFailed, eventually
from e2e.pods import PYTHON, pod

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


@pytest.mark.parametrize("program", ["ostiary-proxy", "ostiary"])
def test_the_proxys_image_has_the_proxy_and_the_command(
    kubectl: Kubectl, proxy_image: str, program: str
) -> None:
    kubectl.apply(pod("help", proxy_image, command=(program, "--help")))

    status, said = ended(kubectl, "help")

    assert (status, said.split("[")[0]) == (0, f"Usage: {program} ")


def test_the_proxys_image_runs_the_proxy_which_refuses_to_go_without_a_bundle(
    kubectl: Kubectl, proxy_image: str
) -> None:
    needed = ("bundle", "keys", "state", "audit", "checkpoints", "admin-token")
    kubectl.apply(pod("bare", proxy_image, args=[f"--{each}=/tmp/{each}" for each in needed]))

    status, said = ended(kubectl, "bare")
    event = json.loads(said.splitlines()[-1])

    assert status == 2
    assert (event["event"], event["error"]) == ("can't start", "there is no bundle yet")


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
    kubectl.apply(pod("served", proxy_image, command=serve))
    kubectl.wait_for("pod/served")

    with kubectl.port_forward("pod/served", 8000) as port:

        def page() -> str:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return str(answer.read().decode())
            except OSError:  # Ready says that it runs, not that it listens
                return ""

        assert "certs/" in eventually(page)


def test_what_is_written_to_a_claim_outlives_the_pod(kubectl: Kubectl, proxy_image: str) -> None:
    kubectl.apply(CLAIM)
    write, read = "open('/state/kept', 'w').write('kept')", "print(open('/state/kept').read())"
    for name, code in (("first", write), ("second", read)):
        kubectl.apply(pod(name, proxy_image, command=(PYTHON, "-c", code), claim="state"))
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
