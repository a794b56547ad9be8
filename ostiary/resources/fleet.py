"""What an MCPGateway says of the fleet itself: its proxies and their keys."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.decode.model import Model
from ostiary.resources.meta import SecretKeyRef, SecretRef, rules

__all__ = ["Autoscaling", "Keys", "Proxy"]

_BOUNDS = "minReplicas can't be above maxReplicas"


class Autoscaling(Model):
    """How many proxies run as the load asks for; the cluster counts them."""

    model_config = ConfigDict(
        json_schema_extra=rules(("self.minReplicas <= self.maxReplicas", _BOUNDS))
    )

    min_replicas: int = Field(default=2, ge=1, le=100, description="How many run at least.")
    max_replicas: int = Field(ge=1, le=100, description="How many run at most.")
    target_cpu_utilization_percentage: int = Field(
        default=80,
        ge=1,
        le=1000,
        alias="targetCPUUtilizationPercentage",
        description="How much of the CPU that they request proxies use on average.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(_BOUNDS)
        return self


class Proxy(Model):
    """The proxy's Deployment."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="Image of the proxies; absent: the one the operator came with."
    )
    image_pull_secrets: Annotated[tuple[SecretRef, ...], Field(max_length=16)] = Field(
        default=(),
        description="Secrets with which the image is pulled.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    replicas: int = Field(
        default=1, ge=1, le=100, description="How many proxies run; not asked with autoscaling."
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="A HorizontalPodAutoscaler counts the proxies; absent: as many as replicas.",
    )
    pod_template: dict[str, Any] = Field(
        default={},
        description="A PodTemplateSpec laid over the proxies' own: scheduling, resources, volumes, "
        "more containers. What a proxy relies on can't be changed.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [ref.name for ref in self.image_pull_secrets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the Secret {twice[0]} stands twice in imagePullSecrets")
        return self


class Keys(Model):
    """Signing and sealing keys that are kept outside."""

    secret_ref: SecretKeyRef = Field(
        description="The key document, so that a gateway created anew keeps its grants."
    )
