"""Manifests: an object as it came, and the same as a resource or every fault.

The API server prunes and checks what it stores, files are checked by nobody but us, so a manifest
is read in two steps: its head (kind and metadata, without which it can't be named), then its spec.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import pydantic

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.json_text import canonical_json, write_json
from ostiary.decode.model import faults_of, validate
from ostiary.decode.yaml_documents import Plain
from ostiary.resources.gateway import (
    MAX_GATEWAY_NAME,
    NAME_TOO_LONG,
    MCPGateway,
    MCPGatewaySpec,
)
from ostiary.resources.inputs import INPUTS
from ostiary.resources.meta import GROUP, VERSION, ObjectMeta
from ostiary.resources.policy import MCPPolicy, MCPPolicySpec
from ostiary.resources.route import MCPRoute, MCPRouteSpec

__all__ = [
    "API_VERSION", "Kind", "Manifest", "Resource", "read_input", "read_manifest", "read_resource",
    "strictly",
]  # fmt: skip

API_VERSION: Final = f"{GROUP}/{VERSION}"
_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


class Kind(StrEnum):
    """The three kinds."""

    GATEWAY = "MCPGateway"
    ROUTE = "MCPRoute"
    POLICY = "MCPPolicy"


Resource = MCPGateway | MCPRoute | MCPPolicy
_SPECS: Final[Mapping[Kind, type[pydantic.BaseModel]]] = {
    Kind.GATEWAY: MCPGatewaySpec,
    Kind.ROUTE: MCPRouteSpec,
    Kind.POLICY: MCPPolicySpec,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An object of one of the three kinds: its head is read, its spec is as it came.

    `version` differs wherever the object differs; with `uid` it is the key of what is memoised.
    """

    kind: Kind
    meta: ObjectMeta
    spec: Plain
    version: str

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.meta.namespace}/{self.meta.name}"

    @property
    def age(self) -> tuple[str, str, str]:
        """Return what orders objects of a kind, oldest first."""
        return (self.meta.creation_timestamp, self.meta.namespace, self.meta.name)


def read_manifest(value: Plain) -> Manifest:
    """Return the manifest of one of the three kinds; raises Faulty with every fault of its head."""
    if not isinstance(value, dict):
        raise Faulty([Fault(path="", message="an object is a map with apiVersion, kind, metadata")])
    faults = [
        Fault(path=name, message="unknown field; remove it or check its spelling")
        for name in value
        if name not in _FIELDS
    ]
    kind = value.get("kind")
    if kind not in list(Kind):
        known = ", ".join(Kind)
        faults.append(Fault(path="kind", message=f"unknown kind; {API_VERSION} has {known}"))
    try:
        meta = validate(ObjectMeta, value.get("metadata") or {})
    except Faulty as faulty:
        faults.extend(fault.under("metadata") for fault in faulty.faults)
    if faults:
        raise Faulty(faults)
    return Manifest(
        kind=Kind(str(kind)),
        meta=meta,
        spec=value.get("spec"),
        version=meta.resource_version or _digest(value),
    )


def read_resource(manifest: Manifest) -> Resource:
    """Return the manifest as a resource; raises Faulty with every fault of its spec."""
    if manifest.spec is None:
        raise Faulty([Fault(path="spec", message="required field is missing")])
    if manifest.kind is Kind.GATEWAY and len(manifest.meta.name) > MAX_GATEWAY_NAME:
        raise Faulty([Fault(path="metadata.name", message=NAME_TOO_LONG)])
    spec = strictly(_SPECS[manifest.kind], manifest.spec, "spec")
    if isinstance(spec, MCPGatewaySpec):
        return MCPGateway(metadata=manifest.meta, spec=spec)
    if isinstance(spec, MCPRouteSpec):
        return MCPRoute(metadata=manifest.meta, spec=spec)
    assert isinstance(spec, MCPPolicySpec)
    return MCPPolicy(metadata=manifest.meta, spec=spec)


def read_input(value: Plain) -> pydantic.BaseModel | None:
    """Return a Secret, Namespace, Service or ReferenceGrant; None for any other object.

    Raises Faulty with every fault.
    """
    if not isinstance(value, dict):
        return None
    model = INPUTS.get((str(value.get("apiVersion")), str(value.get("kind"))))
    return None if model is None else strictly(model, value, "")


S = TypeVar("S", bound=pydantic.BaseModel)


def strictly(model: type[S], value: Plain, prefix: str) -> S:
    """Return `value` as `model` by JSON's own types: no string is taken for a number or boolean.

    Raises Faulty with every fault, its path under `prefix`.
    """
    try:
        return model.model_validate_json(write_json(value), strict=True)
    except pydantic.ValidationError as error:
        raise Faulty(fault.under(prefix) for fault in faults_of(error)) from None
    except TypeError as error:
        raise Faulty([Fault(path=prefix, message=str(error))]) from None


def _digest(value: Plain) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
