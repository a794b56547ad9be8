"""What is in the cluster from the start: its name service and its storage class."""

from typing import Any

from e2e.cluster.api import Api
from e2e.cluster.layout import DNS_IP, NODE_IP

__all__ = ["PROVISIONER", "STORAGE_CLASS", "create_objects"]

STORAGE_CLASS = "standard"
PROVISIONER = "ostiary.test/local"

_DNS_PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
]

# CoreDNS is a process of the node: a Service without selector and the one endpoint, made by hand.
_OBJECTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "/api/v1/namespaces/kube-system/services",
        {
            "metadata": {"name": "kube-dns"},
            "spec": {"clusterIP": DNS_IP, "ports": _DNS_PORTS},
        },
    ),
    (
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices",
        {
            "metadata": {
                "name": "kube-dns-node",
                "labels": {"kubernetes.io/service-name": "kube-dns"},
            },
            "addressType": "IPv4",
            "ports": _DNS_PORTS,
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
        },
    ),
    (
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
        },
    ),
)


def create_objects(api: Api) -> None:
    """Create them all."""
    for path, thing in _OBJECTS:
        api.create(path, thing)
