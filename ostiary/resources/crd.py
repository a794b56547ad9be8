"""CustomResourceDefinitions out of the models: structural OpenAPI v3, references written out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic

from ostiary.resources.gateway import MAX_GATEWAY_NAME, NAME_TOO_LONG, MCPGatewaySpec
from ostiary.resources.manifest import Kind
from ostiary.resources.meta import GROUP, VERSION, rules
from ostiary.resources.policy import MCPPolicySpec
from ostiary.resources.route import MCPRouteSpec
from ostiary.resources.status import GatewayStatus, PolicyStatus, RouteStatus

__all__ = ["crd", "crds"]

_DNS_LABEL: Final = (
    "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
    "metadata.name must be a DNS label: at most 63 lower-case letters, digits and dashes",
)
_SHORT_NAME: Final = (f"size(self.metadata.name) <= {MAX_GATEWAY_NAME}", NAME_TOO_LONG)
_DROPPED: Final = frozenset({"title", "additionalProperties", "discriminator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """What a definition says of a kind beside its schema."""

    singular: str
    plural: str
    short: str
    description: str
    spec: type[pydantic.BaseModel]
    status: type[pydantic.BaseModel]
    columns: tuple[tuple[str, str, str, int], ...]
    labels: Mapping[str, str]
    names: tuple[tuple[str, str], ...] = (_DNS_LABEL,)


def _condition(field: str, kind: str = "Ready") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_READY: Final = (
    ("Ready", "string", _condition("status"), 0),
    ("Reason", "string", _condition("reason"), 0),
)
_AGE: Final = ("Age", "date", ".metadata.creationTimestamp", 0)
_KINDS: Final[Mapping[Kind, _Described]] = {
    Kind.GATEWAY: _Described(
        singular="mcpgateway",
        plural="mcpgateways",
        short="ogw",
        description="One proxy fleet: its identity provider, storage and audit.",
        spec=MCPGatewaySpec,
        status=GatewayStatus,
        columns=(
            *_READY,
            ("URL", "string", ".spec.publicUrl", 0),
            ("Routes", "integer", ".status.attachedRoutes", 0),
            _AGE,
            ("Replicas", "integer", ".status.replicas.ready", 1),
            ("Callback", "string", ".status.callbackURL", 1),
            ("Image", "string", ".status.image", 1),
        ),
        labels={},
        names=(_DNS_LABEL, _SHORT_NAME),
    ),
    Kind.ROUTE: _Described(
        singular="mcproute",
        plural="mcproutes",
        short="ort",
        description="One MCP server behind one URL.",
        spec=MCPRouteSpec,
        status=RouteStatus,
        columns=(
            *_READY,
            # A route without policy is Ready, and refuses every call.
            ("Policy", "string", _condition("reason", "PolicyAttached"), 0),
            ("URL", "string", ".status.url", 0),
            ("Gateway", "string", ".status.boundGateway.name", 0),
            _AGE,
            ("Policies", "string", ".status.attachedPolicies[*].name", 1),
        ),
        labels={},
    ),
    Kind.POLICY: _Described(
        singular="mcppolicy",
        plural="mcppolicies",
        short="opol",
        description="Rules attached to routes or gateways.",
        spec=MCPPolicySpec,
        status=PolicyStatus,
        columns=(
            *_READY,
            ("Mode", "string", ".spec.mode", 0),
            ("Targets", "string", ".spec.targetRefs[*].name", 0),
            ("Routes", "integer", ".status.governedRoutes", 0),
            _AGE,
            ("Would-Deny", "integer", ".status.wouldDeny.calls", 1),
        ),
        labels={"gateway.networking.k8s.io/policy": "Inherited"},
    ),
}


def crds() -> dict[str, dict[str, Any]]:
    """Return every definition by the name of its file."""
    return {f"{GROUP}_{_KINDS[kind].plural}.yaml": crd(kind) for kind in Kind}


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    described = _KINDS[kind]
    metadata: dict[str, Any] = {"name": f"{described.plural}.{GROUP}"}
    if described.labels:
        metadata["labels"] = dict(described.labels)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.value,
                "listKind": f"{kind.value}List",
                "singular": described.singular,
                "plural": described.plural,
                "shortNames": [described.short],
                "categories": ["ostiary"],
            },
            "scope": "Namespaced",
            "versions": [_version(described)],
        },
    }


def _version(described: _Described) -> dict[str, Any]:
    columns = [
        {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if priority else {})
        for name, kind, path, priority in described.columns
    ]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": _root(described)},
    }


def _root(described: _Described) -> dict[str, Any]:
    status = _structural(described.status)
    # An object that nobody has looked at yet is then in progress, not current (kstatus, Argo CD).
    status["default"] = {"observedGeneration": -1}
    return {
        "description": described.description,
        "type": "object",
        "required": ["spec"],
        **rules(*described.names),
        "properties": {
            "apiVersion": {"type": "string", "description": "API version of the object."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": _structural(described.spec),
            "status": status,
        },
    }


def _structural(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    built = _Inliner(schema.get("$defs", {})).schema(schema)
    built["description"] = (model.__doc__ or "").split("\n")[0]
    return built


@dataclass(frozen=True, slots=True)
class _Inliner:
    """Turns what pydantic writes into what an API server takes."""

    definitions: Mapping[str, Any]

    def schema(self, node: Mapping[str, Any]) -> dict[str, Any]:
        merged = self._merged(node)
        result = {key: value for key, value in merged.items() if key not in _DROPPED}
        if "const" in result:
            result["enum"] = [result.pop("const")]
        if "properties" in result:
            result["properties"] = {
                name: self.schema(value) for name, value in result["properties"].items()
            }
        if "items" in result:
            result["items"] = self.schema(result["items"])
        if isinstance(merged.get("additionalProperties"), dict):
            result["additionalProperties"] = self.schema(merged["additionalProperties"])
        return _with_default(result)

    def _merged(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Write a reference out and take the choice that is not null; what stands here wins."""
        merged = {
            key: value for key, value in node.items() if key not in ("$ref", "anyOf", "$defs")
        }
        if "$ref" in node:
            target = self.definitions[str(node["$ref"]).rpartition("/")[2]]
            return self._merged(target) | merged
        choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
        if len(choices) > 1:
            raise ValueError("a CRD can't hold a choice of types; use optional members instead")
        return self._merged(choices[0]) | merged if choices else merged


def _with_default(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop what is null in a default.

    A whole object's default is written out: the API server holds it to the object's rules before it
    fills in the defaults of its members.
    """
    if schema.get("default") is None:
        schema.pop("default", None)
    elif isinstance(schema["default"], dict):
        given = schema["default"].items()
        schema["default"] = {name: value for name, value in given if value is not None}
    return schema
