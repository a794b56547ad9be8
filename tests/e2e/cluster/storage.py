"""Provisions persistent volumes: a folder of the node for each claim of the default class.

They are `local` volumes and not `hostPath` ones, because only those obey a pod's `fsGroup`.
"""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

from e2e.cluster.api import Api, ApiError
from e2e.cluster.layout import NODE, VOLUMES
from e2e.cluster.objects import PROVISIONER, STORAGE_CLASS

__all__ = ["provision_forever"]

_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_PERIOD = 0.3


def provision_forever(api: Api) -> None:
    """Provision on a thread of its own, until the process ends."""
    threading.Thread(target=_provision, args=(api,), daemon=True).start()


def _provision(api: Api) -> None:
    while True:
        time.sleep(_PERIOD)
        try:
            _step(api)
        except ApiError as error:  # the API server is being restarted, or the object is gone
            print(f"volumes: {error}", flush=True)


def _step(api: Api) -> None:
    volumes = {each["metadata"]["name"]: each for each in _ours(api.get(_VOLUMES))}
    for claim in _ours(api.get(_CLAIMS)):
        if claim["status"]["phase"] == "Pending" and _name(claim) not in volumes:
            (VOLUMES / _name(claim)).mkdir(exist_ok=True)
            api.create(_VOLUMES, volume_for(claim))
    for name, volume in volumes.items():
        if volume["status"].get("phase") == "Released":
            shutil.rmtree(Path(volume["spec"]["local"]["path"]), ignore_errors=True)
            api.delete(f"{_VOLUMES}/{name}")


def _ours(listed: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        each for each in listed["items"] if each["spec"].get("storageClassName") == STORAGE_CLASS
    ]


def _name(claim: dict[str, Any]) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def volume_for(claim: dict[str, Any]) -> dict[str, Any]:
    """Return the volume of a claim, bound to it and to no other."""
    metadata, spec = claim["metadata"], claim["spec"]
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "metadata": {
            "name": _name(claim),
            # Without it the controller-manager would try to delete the volume by itself.
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                **{key: metadata[key] for key in ("namespace", "name", "uid")},
            },
            "local": {"path": str(VOLUMES / _name(claim))},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]},
            },
            "persistentVolumeReclaimPolicy": "Delete",
        },
    }
