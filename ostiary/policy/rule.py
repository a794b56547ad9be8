"""A rule as people write it.

The same model stands in MCPPolicy and in the bundle, so both read alike.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ostiary.decode.model import Duration, Model

__all__ = [
    "Effect",
    "Match",
    "Mode",
    "RateKey",
    "RateLimit",
    "Redact",
    "RedactIn",
    "RouteSelector",
    "Rule",
    "ServerRequest",
    "Transform",
    "When",
    "Where",
    "Who",
]

Pattern = Annotated[str, Field(min_length=1, max_length=256)]
Span = Annotated[str, Field(min_length=1, max_length=16)]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=64)]


class Effect(StrEnum):
    """What a matching rule does."""

    ALLOW = "Allow"
    DENY = "Deny"


class Mode(StrEnum):
    """Audit rules are evaluated and recorded, and never change an answer."""

    ENFORCE = "Enforce"
    AUDIT = "Audit"


class ServerRequest(StrEnum):
    """Requests that a server sends to the client."""

    ELICITATION_FORM = "elicitation/form"
    ELICITATION_URL = "elicitation/url"
    SAMPLING = "sampling"
    ROOTS = "roots"


class RateKey(StrEnum):
    """What a rate limit counts apart."""

    USER = "user"
    CLIENT = "client"
    TOOL = "tool"
    ROUTE = "route"
    SOURCE = "source"


class RedactIn(StrEnum):
    """Where a redaction applies."""

    ARGUMENTS = "Arguments"
    RESULT = "Result"


class RouteSelector(Model):
    """Which routes of a gateway a rule covers.

    Absent fields match every route, present ones must all match.
    """

    namespaces: Patterns | None = Field(
        default=None, description="Namespaces of the routes, exact or glob."
    )
    names: Patterns | None = Field(default=None, description="Names of the routes, exact or glob.")
    labels: dict[str, Annotated[str, Field(max_length=63)]] | None = Field(
        default=None, max_length=16, description="Labels that the route must carry."
    )


class Match(Model):
    """What is asked.

    Kinds (tools, prompts, resources, server) are OR-ed, other fields AND-ed; an empty list matches
    nothing.
    """

    methods: Patterns | None = Field(
        default=None, description="MCP methods, exact or glob, such as `tools/*`."
    )
    tools: Patterns | None = Field(
        default=None, description="Tool names, exact or glob, case-sensitive."
    )
    prompts: Patterns | None = Field(
        default=None, description="Prompt names, exact or glob, case-sensitive."
    )
    resources: Patterns | None = Field(
        default=None, description="Resource URIs, exact or glob, compared raw."
    )
    server: Annotated[tuple[ServerRequest, ...], Field(max_length=4)] | None = Field(
        default=None,
        description="Requests that the server may send to the client; an Allow covers none "
        "unless named.",
    )
    routes: RouteSelector | None = Field(
        default=None, description="Narrows a policy on a gateway to some routes."
    )


class Who(Model):
    """Who asks; present fields must all match, each matches if any of its entries does."""

    groups: Patterns | None = Field(
        default=None, description="Groups of the person, exact or glob."
    )
    users: Patterns | None = Field(
        default=None,
        description="E-mail (if the identity provider verified it) or subject of the person, "
        "exact or glob.",
    )
    clients: Patterns | None = Field(
        default=None,
        description="Client ids or verified client hosts, exact or glob; never the client's name.",
    )
    claims: dict[str, Patterns] | None = Field(
        default=None,
        max_length=16,
        description="Claims of the person and the values (exact or glob) one of which must hold.",
    )
    everyone: bool | None = Field(
        default=None, description="Every person who logged in; must be true where set."
    )


class When(Model):
    """When it is asked. Hours and days are read in `timeZone`."""

    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="UTC", description="IANA time zone, such as Europe/Berlin."
    )
    days: Annotated[tuple[Span, ...], Field(max_length=7)] | None = Field(
        default=None, description="Days such as Mon, or ranges such as Mon-Fri."
    )
    hours: Annotated[tuple[Span, ...], Field(max_length=16)] | None = Field(
        default=None,
        description="Quoted ranges such as '09:00-17:30'; the end is not included; a range may "
        "pass midnight.",
    )
    not_before: str | None = Field(
        default=None, max_length=40, description="RFC 3339 time before which it is false."
    )
    not_after: str | None = Field(
        default=None, max_length=40, description="RFC 3339 time from which on it is false."
    )


class Where(Model):
    """Where the caller's connection comes from."""

    cidrs: (
        Annotated[
            tuple[Annotated[str, Field(max_length=64, json_schema_extra={"format": "cidr"})], ...],
            Field(max_length=64),
        ]
        | None
    ) = Field(default=None, description="Networks in CIDR form that hold the caller's address.")


class RateLimit(Model):
    """At most `requests` calls in `per`, counted apart for each combination of `by`."""

    requests: int = Field(ge=1, le=1_000_000, description="How many calls.")
    per: Duration = Field(description="The time they are spread over, such as 1m.")
    by: Annotated[tuple[RateKey, ...], Field(min_length=1, max_length=5)] = Field(
        default=(RateKey.USER,), description="What is counted apart."
    )


class Redact(Model):
    """One redaction: text found by `pattern` (RE2) or values at `paths` are replaced.

    One of the two is required.
    """

    in_: RedactIn = Field(
        default=RedactIn.RESULT, alias="in", description="The call's arguments or its result."
    )
    pattern: str | None = Field(
        default=None, min_length=1, max_length=512, description="RE2 pattern, found in any text."
    )
    paths: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(max_length=16)
        ]
        | None
    ) = Field(
        default=None,
        description="Dotted paths into arguments or structuredContent; `*` stands for any one "
        "member or item.",
    )
    replacement: str = Field(
        default="[redacted]", max_length=64, description="What stands there instead."
    )


class Transform(Model):
    """How an allowed message is changed before it goes on."""

    redact: Annotated[tuple[Redact, ...], Field(min_length=1, max_length=16)] = Field(
        description="Redactions, all applied."
    )


class Rule(Model):
    """One rule; absent clauses are true."""

    name: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Unique within the policy.",
    )
    effect: Effect = Field(description="Allow what matches, or deny it. A Deny beats every Allow.")
    mode: Mode | None = Field(default=None, description="Default: the policy's mode.")
    match: Match | None = Field(
        default=None, description="What is asked; absent: every tool, prompt and resource."
    )
    who: Who | None = Field(default=None, description="Who asks.")
    when: When | None = Field(default=None, description="When it is asked.")
    where: Where | None = Field(default=None, description="From where it is asked.")
    condition: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="CEL expression that must be true; see the facts table.",
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="Binds whenever the rule matches."
    )
    transform: Transform | None = Field(
        default=None, description="Binds whenever the rule matches."
    )
    message: str | None = Field(
        default=None, max_length=256, description="Shown to the caller when this rule decides."
    )
