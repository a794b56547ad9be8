"""Objects of other groups, read and never written: Secret, Namespace, Service, ReferenceGrant."""

from typing import Annotated, ClassVar

import pydantic
from pydantic import Field

from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model
from ostiary.resources.meta import DnsLabel, ObjectName

__all__ = [
    "INPUTS", "GrantFrom", "GrantTo", "NamespaceInput", "ReferenceGrantInput", "SecretInput",
    "ServiceInput",
]  # fmt: skip


class _Foreign(pydantic.BaseModel):
    """Reads the fields that matter here and passes over the rest: the kind is not ours."""

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=Model.model_config["alias_generator"],
        populate_by_name=True,
    )


class _Meta(_Foreign):
    name: ObjectName
    namespace: DnsLabel = "default"
    labels: dict[str, str] = {}
    resource_version: str = ""


class NamespaceInput(_Foreign):
    """A namespace and its labels."""

    metadata: _Meta


class SecretInput(_Foreign):
    """A Secret: `data` in base64, `stringData` as it is."""

    metadata: _Meta
    data: dict[str, Secret] = {}
    string_data: dict[str, Secret] = {}


class _ServicePort(_Foreign):
    port: int = Field(ge=1, le=65535)


class _ServiceSpec(_Foreign):
    type: str = "ClusterIP"
    cluster_ips: Annotated[tuple[str, ...], Field(alias="clusterIPs")] = ()
    cluster_ip: Annotated[str, Field(alias="clusterIP")] = ""
    ports: tuple[_ServicePort, ...] = ()


class ServiceInput(_Foreign):
    """A Service: its ports and addresses."""

    metadata: _Meta
    spec: _ServiceSpec = _ServiceSpec()


class GrantFrom(_Foreign):
    """Who may refer."""

    group: str
    kind: str
    namespace: str


class GrantTo(_Foreign):
    """What may be referred to; without a name, all of that kind."""

    group: str
    kind: str
    name: str | None = None


class _GrantSpec(_Foreign):
    from_: tuple[GrantFrom, ...] = Field(alias="from")
    to: tuple[GrantTo, ...]


class ReferenceGrantInput(_Foreign):
    """Leave of one namespace for references from others."""

    metadata: _Meta
    spec: _GrantSpec


INPUTS: dict[tuple[str, str], type[pydantic.BaseModel]] = {
    ("v1", "Namespace"): NamespaceInput,
    ("v1", "Secret"): SecretInput,
    ("v1", "Service"): ServiceInput,
    ("gateway.networking.k8s.io/v1", "ReferenceGrant"): ReferenceGrantInput,
    ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant"): ReferenceGrantInput,
}
"""API version and kind of each input → its model."""
