"""The status of each kind, as models: what CRDs describe and translation writes."""

from typing import Annotated, Literal

from pydantic import Field

from ostiary.decode.model import Model

__all__ = [
    "Ancestor", "AttachedPolicy", "ConditionStatus", "GatewayStatus", "KeyRotation", "LastError",
    "ObjectReference", "PolicyStatus", "Replicas", "RouteStatus", "Truth", "WouldDeny",
]  # fmt: skip

Truth = Literal["True", "False", "Unknown"]
Name = Annotated[str, Field(max_length=253)]


class ConditionStatus(Model):
    """One condition."""

    type: str = Field(max_length=316, description="What is said to hold.")
    status: Truth = Field(description="Whether it holds.")
    reason: str = Field(
        min_length=1, max_length=128, description="Why, as one word that is stable."
    )
    message: str = Field(max_length=1024, description="Why, and what to do about it.")
    observed_generation: int = Field(
        ge=0, description="The generation of the object that this was found for."
    )
    last_transition_time: str = Field(
        max_length=40,
        description="When it last changed between True, False and Unknown.",
        json_schema_extra={"format": "date-time"},
    )


Conditions = Annotated[
    tuple[ConditionStatus, ...],
    Field(
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]


class LastError(Model):
    """The first thing that stands against the object."""

    field: str = Field(max_length=512, description="Path of the field, empty where it is none.")
    message: str = Field(max_length=1024, description="What is wrong and how to mend it.")


class ObjectReference(Model):
    """Another object."""

    group: Name = Field(description="API group.")
    kind: Name = Field(description="Kind.")
    namespace: Name = Field(description="Namespace.")
    name: Name = Field(description="Name.")


class _Status(Model):
    observed_generation: int = Field(description="The generation that this status is about.")
    conditions: Conditions = Field(default=(), description="What holds for the object.")
    last_error: LastError | None = Field(
        default=None, description="The first fault; absent where there is none."
    )


class Replicas(Model):
    """How many proxies a gateway has."""

    desired: int = Field(ge=0, description="How many there are to be.")
    ready: int = Field(ge=0, description="How many of them are ready.")


class KeyRotation(Model):
    """A ring whose key is being replaced."""

    ring: Literal["access", "internal", "audit", "seal"] = Field(description="Which keys.")
    stage: Literal["Published", "Signing"] = Field(
        description="Published: the new key verifies; Signing: it signs, the old one verifies."
    )
    since: str = Field(
        max_length=40,
        description="When that began.",
        json_schema_extra={"format": "date-time"},
    )


class GatewayStatus(_Status):
    """Status of an MCPGateway."""

    callback_url: str | None = Field(
        default=None,
        max_length=1024,
        alias="callbackURL",
        description="Redirect URI to register at the identity provider.",
    )
    issuer: str | None = Field(
        default=None,
        max_length=1024,
        description="Issuer of the identity provider that logs people in.",
    )
    attached_routes: int = Field(default=0, ge=0, description="How many routes are served.")
    replicas: Replicas | None = Field(
        default=None, description="Its proxies; absent before the Deployment is there."
    )
    image: str | None = Field(
        default=None, max_length=512, description="Image of its proxies: their version."
    )
    key_rotations: Annotated[tuple[KeyRotation, ...], Field(max_length=4)] | None = Field(
        default=None,
        description="Keys that are being replaced; absent: none.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["ring"],
        },
    )


class AttachedPolicy(Model):
    """A policy that decides on a route."""

    namespace: Name = Field(description="Its namespace.")
    name: Name = Field(description="Its name.")
    level: Literal["Gateway", "Route"] = Field(description="Where it is attached.")
    mode: Literal["Enforce", "Audit"] = Field(description="Its mode.")


class RouteStatus(_Status):
    """Status of an MCPRoute."""

    url: str | None = Field(
        default=None, max_length=1024, description="Public URL: what goes into MCP clients."
    )
    upstream_callback_url: str | None = Field(
        default=None,
        max_length=1024,
        alias="upstreamCallbackURL",
        description="Redirect URI to register at the service behind the server.",
    )
    bound_gateway: ObjectReference | None = Field(
        default=None, description="The gateway that serves it."
    )
    attached_policies: Annotated[tuple[AttachedPolicy, ...], Field(max_length=64)] = Field(
        default=(), description="Policies that decide on it, the first 64 by name."
    )
    left_out_tools: Annotated[tuple[Name, ...], Field(max_length=16)] | None = Field(
        default=None,
        description="Tools of its servers that clients are not shown, for none can read them: "
        "their joined names are longer than 64 characters or hold others than letters, digits and "
        "_.-, or they lack what a tool must have; the first 16.",
    )


class Ancestor(Model):
    """What a policy does at one gateway."""

    ancestor_ref: ObjectReference = Field(description="The gateway.")
    controller_name: str = Field(max_length=253, description="Who wrote this.")
    conditions: Conditions = Field(default=(), description="What holds for the policy there.")


class WouldDeny(Model):
    """What Audit rules would have refused; exact numbers are metrics."""

    calls: int = Field(
        ge=0, description="Calls since the proxies started, give or take a tenth of them."
    )
    last_changed: str = Field(
        max_length=40,
        description="When the number changed here, at most once a minute.",
        json_schema_extra={"format": "date-time"},
    )


class PolicyStatus(_Status):
    """Status of an MCPPolicy."""

    governed_routes: int = Field(
        default=0, ge=0, description="How many routes it decides on, directly or at a gateway."
    )

    ancestors: Annotated[tuple[Ancestor, ...], Field(max_length=16)] = Field(
        default=(), description="Gateways whose routes it decides on, the first 16."
    )
    would_deny: WouldDeny | None = Field(
        default=None, description="What its Audit rules would have refused; absent: nothing yet."
    )
