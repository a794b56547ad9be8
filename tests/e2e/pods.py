"""Pods as values: restricted as the operator's own are, and bare but for what a test adds."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from e2e.kubectl import Kubectl

__all__ = ["PYTHON", "pod", "serve_files"]

PYTHON = "/opt/ostiary/bin/python"
"""The interpreter in our images; they need no shell."""

_POD = {
    "runAsNonRoot": True,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod(
    name: str,
    image: str,
    *,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    mounts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    port: int | None = None,
) -> dict[str, Any]:
    """Return a pod that is not restarted; with a `port` it is Ready once that is listened on.

    `mounts` are volume sources by where they are mounted.
    """
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(args),
        "volumeMounts": [],
        "securityContext": _CONTAINER,
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": _POD,
        "containers": [container],
        "volumes": [],
    }
    if command:
        container["command"] = list(command)
    if port is not None:
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    for index, (path, source) in enumerate(mounts.items()):
        container["volumeMounts"].append({"name": f"volume-{index}", "mountPath": path})
        spec["volumes"].append({"name": f"volume-{index}", **source})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


def serve_files(kubectl: Kubectl, image: str) -> str:
    """Start the demo's MCP server, wait until it is Ready, and return its URL inside."""
    serve = (PYTHON, "-m", "ostiary_cli.demo.files", "--listen=0.0.0.0:8080")
    kubectl.apply(pod("files", image, command=serve, port=8080))
    kubectl("expose", "pod/files", "--port=8080")
    kubectl.wait_for("pod/files")
    return f"http://files.{kubectl.namespace}.svc:8080/mcp"
