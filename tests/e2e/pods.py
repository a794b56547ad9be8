"""Pods as values: restricted as the operator's own are, and bare but for what a test adds."""

from collections.abc import Sequence
from typing import Any

__all__ = ["PYTHON", "pod"]

PYTHON = "/opt/ostiary/bin/python"
"""The interpreter in our images; they need no shell."""


def pod(
    name: str,
    image: str,
    *,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    claim: str | None = None,
) -> dict[str, Any]:
    """Return a pod that runs to its end; a `claim` is mounted at /state."""
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(args),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if command:
        container["command"] = list(command)
    if claim is not None:
        container["volumeMounts"] = [{"name": "state", "mountPath": "/state"}]
        spec["volumes"] = [{"name": "state", "persistentVolumeClaim": {"claimName": claim}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }
