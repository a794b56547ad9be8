"""How many proxies run: a number of the gateway's, or whatever an autoscaler finds."""

from typing import Any

from ostiary.translate.fleet import Fleet

__all__ = ["autoscalers", "most_replicas", "replicas"]


def replicas(fleet: Fleet) -> dict[str, int]:
    """Return what the Deployment says of its count: nothing where an autoscaler has it."""
    proxy = fleet.gateway.spec.proxy
    return {"replicas": proxy.replicas} if proxy.autoscaling is None else {}


def most_replicas(fleet: Fleet) -> int:
    """Return how many proxies there may come to be."""
    proxy = fleet.gateway.spec.proxy
    return proxy.replicas if proxy.autoscaling is None else proxy.autoscaling.max_replicas


def autoscalers(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the autoscaler, where there is to be one.

    It looks at the proxy alone: a container beside it that requests no CPU would blind it.
    """
    scaling = fleet.gateway.spec.proxy.autoscaling
    if scaling is None:
        return []
    used = {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization_percentage}
    cpu = {"name": "cpu", "container": "proxy", "target": used}
    name = fleet.names.main
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [{"type": "ContainerResource", "containerResource": cpu}],
    }
    return [fleet.body("HorizontalPodAutoscaler", name, spec)]
