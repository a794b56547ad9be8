"""The kinds of objects that the operator reads or writes, and where the API server has them."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from ostiary.resources.manifest import API_VERSION

__all__ = ["KINDS", "ApiKind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKind:
    """A kind and the plural that stands in its URL."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """Return the API group; '' for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", part: str = "") -> str:
        """Return the path of one object, of its `part` (status), or of all (name '').

        An empty namespace means every namespace, or a kind that has none.
        """
        steps = [f"/{'apis' if self.group else 'api'}/{self.api_version}"]
        steps += ["namespaces", quote(namespace, safe="")] if namespace else []
        steps += [self.plural, quote(name, safe=""), part]
        return "/".join(step for step in steps if step)


_ALL: Final = (
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Event", "events"),
    ("v1", "Namespace", "namespaces"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "Pod", "pods"),
    ("v1", "PodTemplate", "podtemplates"),
    ("v1", "Secret", "secrets"),
    ("v1", "Service", "services"),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
    ("apps/v1", "Deployment", "deployments"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
    ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referencegrants"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    (API_VERSION, "MCPGateway", "mcpgateways"),
    (API_VERSION, "MCPPolicy", "mcppolicies"),
    (API_VERSION, "MCPRoute", "mcproutes"),
)
KINDS: Final = {
    kind: ApiKind(api_version=version, kind=kind, plural=plural) for version, kind, plural in _ALL
}
"""By kind: no two of those that we touch share a name."""
