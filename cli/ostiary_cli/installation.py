"""The installation as Kubernetes objects, cluster-wide or confined to one namespace.

A confined one has no webhook: what tells an API server of one is there for the whole cluster.
Custom resources are not in it: an API server does not know a kind in the same apply that brings it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ostiary import __version__
from ostiary.resources.crd import crds
from ostiary.resources.meta import GROUP
from ostiary_cli.permissions import CLUSTER_ONLY, OWN_NAMESPACE, USERS, WORKING, UserRole, rules

__all__ = ["Installation"]

_NAME: Final = "ostiary-operator"
_PROXY: Final = "ostiary-proxy"
_RBAC: Final = "rbac.authorization.k8s.io"
_PORT: Final = 8082
_WEBHOOK_PORT: Final = 8443
_LABELS: Final = {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/part-of": "ostiary"}
_DEFAULT_GATEWAY: Final = "/etc/ostiary/default-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is installed where. `confined`: it works for its own namespace only."""

    namespace: str = "ostiary-system"
    confined: bool = False
    operator_image: str = f"ostiary-operator:{__version__}"
    proxy_image: str = f"ostiary-proxy:{__version__}"

    def objects(self) -> Iterator[dict[str, Any]]:
        """Yield every object in the order in which it has to be applied."""
        yield from crds().values()
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        }
        yield self._own("v1", "ServiceAccount")
        yield from self._roles()
        yield from (_user_role(role) for role in USERS)
        if not self.confined:
            yield _webhook_configuration()
        yield self._service()
        yield self._proxy_template()
        yield self._deployment()
        yield self._disruption()

    def _own(self, api: str, kind: str, name: str = _NAME, **fields: Any) -> dict[str, Any]:
        """Return an object of the operator's namespace."""
        meta = {"name": name, "namespace": self.namespace, "labels": dict(_LABELS)}
        return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}

    def _roles(self) -> Iterator[dict[str, Any]]:
        own = rules((*OWN_NAMESPACE, *(WORKING if self.confined else ())))
        yield self._own(f"{_RBAC}/v1", "Role", rules=own)
        yield self._own(f"{_RBAC}/v1", "RoleBinding", **self._bound("Role"))
        if self.confined:
            return
        wide = rules((*WORKING, *CLUSTER_ONLY))
        meta = {"name": _NAME, "labels": dict(_LABELS)}
        api = f"{_RBAC}/v1"
        yield {"apiVersion": api, "kind": "ClusterRole", "metadata": meta, "rules": wide}
        bound = self._bound("ClusterRole")
        yield {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": meta, **bound}

    def _bound(self, kind: str) -> dict[str, Any]:
        return {
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": self.namespace}],
        }

    def _service(self) -> dict[str, Any]:
        ports = [{"name": "http", "port": _PORT, "targetPort": "http"}]
        if not self.confined:
            ports.append({"name": "webhook", "port": 443, "targetPort": "webhook"})
        return self._own("v1", "Service", spec={"selector": _selector(), "ports": ports})

    def _container_ports(self) -> Iterator[dict[str, Any]]:
        yield {"name": "http", "containerPort": _PORT}
        if not self.confined:
            yield {"name": "webhook", "containerPort": _WEBHOOK_PORT}

    def _proxy_template(self) -> dict[str, Any]:
        """Return the object that says which image proxies are of.

        Tools that replace images (kustomize, Flux, Argo CD) look for containers, not for flags.
        """
        containers = [{"name": "proxy", "image": self.proxy_image}]
        return self._own("v1", "PodTemplate", _PROXY, template={"spec": {"containers": containers}})

    def _disruption(self) -> dict[str, Any]:
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": _selector()}}
        return self._own("policy/v1", "PodDisruptionBudget", spec=spec)

    def _deployment(self) -> dict[str, Any]:
        pod = {
            "serviceAccountName": _NAME,
            # Links would set OSTIARY_OPERATOR_PORT for the Service, which is an option of ours.
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container()],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {
                    "name": "default-gateway",
                    "configMap": {"name": "ostiary-default-gateway", "optional": True},
                },
            ],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _selector()},
                }
            ],
        }
        return self._own(
            "apps/v1",
            "Deployment",
            spec={
                "replicas": 2,
                "selector": {"matchLabels": _selector()},
                "template": {"metadata": {"labels": dict(_LABELS)}, "spec": pod},
            },
        )

    def _container(self) -> dict[str, Any]:
        return {
            "name": "operator",
            "image": self.operator_image,
            "imagePullPolicy": "IfNotPresent",
            "args": list(self._arguments()),
            "env": [
                _field("OSTIARY_OPERATOR_IDENTITY", "metadata.name"),
                _field("OSTIARY_OPERATOR_OWN_NAMESPACE", "metadata.namespace"),
            ],
            "ports": list(self._container_ports()),
            "livenessProbe": {
                "httpGet": {"path": "/livez", "port": "http"},
                "periodSeconds": 10,
                "failureThreshold": 6,
            },
            "readinessProbe": {
                "httpGet": {"path": "/readyz", "port": "http"},
                "periodSeconds": 5,
            },
            "resources": {
                "requests": {"cpu": "50m", "memory": "160Mi"},
                "limits": {"memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
                {"name": "default-gateway", "mountPath": _DEFAULT_GATEWAY, "readOnly": True},
            ],
        }

    def _arguments(self) -> Iterable[str]:
        yield f"--proxy-template={_PROXY}"
        yield f"--operator-url=http://{_NAME}.{self.namespace}.svc:{_PORT}"
        yield f"--default-gateway={_DEFAULT_GATEWAY}/gateway.yaml"
        if self.confined:
            yield f"--namespace={self.namespace}"
        else:
            yield f"--webhook-port={_WEBHOOK_PORT}"


def _webhook_configuration() -> dict[str, Any]:
    """Return the object that the operator fills, here so that it goes with the installation."""
    api, kind = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": _NAME, "labels": dict(_LABELS)}}


def _selector() -> dict[str, str]:
    return {"app.kubernetes.io/name": _NAME}


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _user_role(role: UserRole) -> dict[str, Any]:
    joins = {f"{_RBAC}/aggregate-to-{name}": "true" for name in role.joins}
    granted = {"apiGroups": [GROUP], "resources": list(role.resources), "verbs": list(role.verbs)}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": role.name, "labels": {**_LABELS, **joins}},
        "rules": [granted],
    }
