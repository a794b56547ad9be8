"""MCPPolicy: rules attached to routes or gateways of its own namespace."""

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.decode.model import Model
from ostiary.policy.rule import Match, Mode, Rule
from ostiary.resources.meta import DnsLabel, ObjectMeta, rules

__all__ = ["MCPPolicy", "MCPPolicySpec", "TargetRef"]


_NARROWED: Final = (f"has(r.match.{name})" for name in Match.model_fields if name != "routes")
_NARROWS: Final = f"has(r.match) && ({' || '.join(_NARROWED)})"
"""What narrows an Allow by itself; routes alone don't say what is asked there."""
_FINDS: Final = "r.transform.redact.all(x, has(x.pattern) || has(x.paths))"


class TargetRef(Model):
    """What a policy is attached to, in its own namespace."""

    group: Literal["ostiary.dev"] = Field(
        default="ostiary.dev", description="API group of the target."
    )
    kind: Literal["MCPRoute", "MCPGateway"] = Field(description="Kind of the target.")
    name: DnsLabel = Field(description="Name of the target.")


class MCPPolicySpec(Model):
    """What the security team wants."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.targetRefs.all(t, t.kind == self.targetRefs[0].kind)",
                "all targetRefs must be of one kind",
            ),
            (
                f"self.rules.all(r, r.effect != 'Allow' || has(r.who) || {_NARROWS})",
                "an Allow needs who, or a match beyond routes; for all write who: {everyone: true}",
            ),
            (
                "self.rules.all(r, r.effect != 'Deny' || !(has(r.rateLimit) || has(r.transform)))",
                "a Deny has no rateLimit or transform; use an Allow",
            ),
            (
                "self.rules.all(r, !has(r.who) || !has(r.who.everyone) || r.who.everyone)",
                "everyone can only be true; remove it",
            ),
            (
                f"self.rules.all(r, !has(r.transform) || {_FINDS})",
                "a redaction needs pattern or paths",
            ),
        )
    )

    target_refs: Annotated[tuple[TargetRef, ...], Field(min_length=1, max_length=16)] = Field(
        description="Routes or gateways of this namespace that the rules are attached to.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["kind", "name"],
        },
    )
    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="Mode of rules that have none of their own. Audit rules change nothing.",
    )
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=64)] = Field(
        description="Rules; their order never matters.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len({target.kind for target in self.target_refs}) != 1:
            raise ValueError("all targetRefs must be of one kind; write two policies")
        if len({(target.kind, target.name) for target in self.target_refs}) != len(
            self.target_refs
        ):
            raise ValueError("a target stands twice in targetRefs")
        return self


class MCPPolicy(Model):
    """A policy as it was read."""

    metadata: ObjectMeta
    spec: MCPPolicySpec
