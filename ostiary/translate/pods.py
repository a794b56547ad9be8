"""The pods of a gateway: the proxy, its volumes, and beside it the development identity provider.

They keep to Pod Security "restricted" and hold no token for the API server.
"""

from collections.abc import Mapping
from typing import Any, Final

from ostiary.translate.fleet import Fleet
from ostiary.translate.names import DEV_CLIENT, RESTART, SHARDS
from ostiary.translate.podtemplate import merge
from ostiary.translate.ports import ADMIN, issuer_at

__all__ = ["pod_template"]

_USER: Final = 65532
_SHUTDOWN_DELAY: Final = 5
"""Seconds in which a pod that is to end is still sent requests: the cluster forgets it slowly."""
_GRACE: Final = 60
"""Seconds until a pod is killed: the delay above, and then the answers that are under way."""
_CONFINED: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
_READABLE_BY_GROUP: Final = 0o440


def pod_template(fleet: Fleet) -> dict[str, Any]:
    """Return the pods as the gateway wants them: ours, with its `podTemplate` laid over."""
    ours = {
        "metadata": {"labels": fleet.labels, "annotations": {RESTART: fleet.restart}},
        "spec": _spec(fleet),
    }
    merged: dict[str, Any] = merge(ours, fleet.gateway.spec.proxy.pod_template)
    for field in ("initContainers", "containers"):
        listed = merged["spec"].get(field, ())
        confined = [{**container, "securityContext": _CONFINED} for container in listed]
        merged["spec"] = {**merged["spec"], **({field: confined} if confined else {})}
    return merged


def _spec(fleet: Fleet) -> dict[str, Any]:
    asked = (ref.name for ref in fleet.gateway.spec.proxy.image_pull_secrets)
    pull = [{"name": name} for name in dict.fromkeys((*fleet.cluster.pull_secrets, *asked))]
    development = fleet.ports.issuer is not None
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        **({"imagePullSecrets": pull} if pull else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            _spread(fleet, f"{domain}") for domain in ("kubernetes.io/hostname", _ZONE)
        ],
        "containers": [_proxy(fleet), *([_dev_identity(fleet)] if development else ())],
        "volumes": _volumes(fleet),
    }


_ZONE: Final = "topology.kubernetes.io/zone"


def _spread(fleet: Fleet, domain: str) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": domain,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": fleet.selector},
    }


def _proxy(fleet: Fleet) -> dict[str, Any]:
    ports = {fleet.scheme: fleet.ports.public, "status": fleet.ports.status, "admin": ADMIN}
    return {
        "name": "proxy",
        "image": fleet.image,
        "imagePullPolicy": fleet.cluster.pull_policy,
        "env": _environment(fleet),
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "startupProbe": {**_probe("/livez"), "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 2},
        "livenessProbe": {**_probe("/livez"), "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "2", "memory": "512Mi"},
        },
        "volumeMounts": [
            {"name": "bundle", "mountPath": "/etc/ostiary/bundle", "readOnly": True},
            {"name": "keys", "mountPath": "/etc/ostiary/keys", "readOnly": True},
            {"name": "admin", "mountPath": "/etc/ostiary/admin", "readOnly": True},
            {"name": "state", "mountPath": "/var/lib/ostiary"},
            {"name": "checkpoints", "mountPath": "/var/lib/ostiary-checkpoints"},
            _TMP,
        ],
    }


_TMP: Final = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in the pod, a volume of its own


def _environment(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the flags of `ostiary-proxy`; `[::]` is every address, those of IPv4 too."""
    flags = {
        "OSTIARY_BUNDLE": "/etc/ostiary/bundle",
        "OSTIARY_KEYS": "/etc/ostiary/keys/keys.json",
        "OSTIARY_ADMIN_TLS": "/etc/ostiary/admin",
        "OSTIARY_STATE": "/var/lib/ostiary/state.db",
        "OSTIARY_AUDIT": "/var/lib/ostiary/audit",
        "OSTIARY_CHECKPOINTS": "/var/lib/ostiary-checkpoints",
        "OSTIARY_LISTEN": f"[::]:{fleet.ports.public}",
        "OSTIARY_STATUS": f"[::]:{fleet.ports.status}",
        "OSTIARY_ADMIN": f"[::]:{ADMIN}",
        "OSTIARY_OPERATOR_URL": fleet.cluster.operator_url,
        "OSTIARY_GATEWAY_UID": fleet.gateway.metadata.uid,
        "OSTIARY_SHUTDOWN_DELAY": str(_SHUTDOWN_DELAY),
        **({"OSTIARY_TLS": "true"} if fleet.gateway.spec.tls else {}),
    }
    # The node's own addresses: the outbound guard lets nobody name them.
    node = {"fieldRef": {"fieldPath": "status.hostIPs"}}
    return [
        *({"name": name, "value": value} for name, value in flags.items()),
        {"name": "OSTIARY_HOST_IPS", "valueFrom": node},
    ]


def _probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "status"},
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }


def _dev_identity(fleet: Fleet) -> dict[str, Any]:
    """Return the development identity provider, which listens on the pod's loopback only."""
    public_url = fleet.gateway.spec.public_url
    return {
        "name": "dev-identity",
        "image": fleet.image,
        "imagePullPolicy": fleet.cluster.pull_policy,
        "command": ["python", "-m", "ostiary_cli.dev.identity"],
        "args": [
            f"--listen={issuer_at(public_url)}",
            "--users=/etc/ostiary/dev-identity/users.json",
            "--client-secret-file=/etc/ostiary/dev-identity/client-secret",
            f"--client-id={DEV_CLIENT}",
            f"--redirect-uri={public_url}/login/callback",
            "--state=/var/lib/ostiary/dev-identity",
        ],
        "ports": [{"name": "issuer", "containerPort": fleet.ports.issuer}],
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "volumeMounts": [
            {"name": "dev-identity", "mountPath": "/etc/ostiary/dev-identity", "readOnly": True},
            {"name": "state", "mountPath": "/var/lib/ostiary"},
            _TMP,
        ],
    }


def _volumes(fleet: Fleet) -> list[dict[str, Any]]:
    names, keys = fleet.names, fleet.gateway.spec.keys
    key, secret = ("keys.json", names.keys)
    if keys is not None:
        key, secret = keys.secret_ref.key, keys.secret_ref.name
    state = {"persistentVolumeClaim": {"claimName": names.state}}
    return [
        {"name": "bundle", "projected": {**_MODE, "sources": _shards(fleet)}},
        {"name": "keys", "secret": {**_secret(secret), "items": [_item(key, "keys.json")]}},
        {"name": "admin", "secret": _secret(names.admin)},
        {"name": "state", **(state if fleet.keeps_volume else {"emptyDir": {}})},
        {"name": "checkpoints", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        *(
            [{"name": "dev-identity", "secret": _secret(names.dev_identity)}]
            if fleet.ports.issuer is not None
            else ()
        ),
    ]


_MODE: Final = {"defaultMode": _READABLE_BY_GROUP}


def _secret(name: str) -> dict[str, Any]:
    return {"secretName": name, **_MODE}


def _item(key: str, path: str) -> dict[str, str]:
    return {"key": key, "path": path}


def _shards(fleet: Fleet) -> list[dict[str, Any]]:
    """Return every shard that a bundle may ever fill, so that no route adds a volume."""
    return [
        {
            "secret": {
                "name": fleet.names.bundle(shard),
                "items": [_item(f"bundle-{shard:03}", f"bundle-{shard:03}")],
                "optional": True,
            }
        }
        for shard in range(SHARDS)
    ]
