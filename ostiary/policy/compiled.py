"""Rules after compilation: what a proxy holds for one route, built at reload and never again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ostiary.policy.clause import Clause
from ostiary.policy.facts import Facts
from ostiary.policy.globs import Names
from ostiary.policy.redact import Redaction
from ostiary.policy.rule import Effect, Mode, Rule
from ostiary.policy.verdict import RuleRef
from ostiary.policy.window import Window

__all__ = ["Attached", "CompiledPolicy", "CompiledRule", "Limit", "PolicySet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A rate limit: `key` makes the bucket's name of the facts."""

    requests: int
    per: float
    key: Callable[[Facts], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """One rule, lowered. `clauses` are those that were written, by name, cheapest first.

    `foothold` are the routes of `match`, `who` and `where` alone; `beside_match` those routes and
    all but `match`; `methods` are the housekeeping methods that a Deny names, `broad` says that it
    has no `match` at all.
    """

    ref: RuleRef
    level: str
    effect: Effect
    enforced: bool
    clauses: Mapping[str, Clause]
    foothold: tuple[Clause, ...]
    beside_match: tuple[Clause, ...]
    methods: Names | None
    broad: bool
    limit: Limit | None
    redactions: tuple[Redaction, ...]
    message: str | None
    window: Window | None
    shown: tuple[str, ...]


class Attached(Protocol):
    """A policy and where it is attached; `level` is Gateway or Route."""

    @property
    def key(self) -> str: ...  # noqa: D102 - `namespace/name`
    @property
    def generation(self) -> int: ...  # noqa: D102
    @property
    def level(self) -> str: ...  # noqa: D102
    @property
    def mode(self) -> Mode: ...  # noqa: D102
    @property
    def rules(self) -> Sequence[Rule]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """One policy's rules in order of name; shared by every route that it is attached to."""

    key: str
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """Everything that decides on one route.

    `allows`, `denies` are enforced, `audits` only recorded; each in order of policy and rule name.
    `attached` says whether any policy is attached at all; `ceiling` that both levels have to allow.
    """

    attached: bool
    ceiling: bool
    allows: tuple[CompiledRule, ...]
    denies: tuple[CompiledRule, ...]
    audits: tuple[CompiledRule, ...]

    @classmethod
    def of(cls, policies: Iterable[CompiledPolicy], *, ceiling: bool) -> "PolicySet":
        """Return what decides on a route that `policies` are attached to, whatever their order."""
        attached = sorted(policies, key=lambda policy: policy.key)
        rules = [rule for policy in attached for rule in policy.rules]
        enforced = [rule for rule in rules if rule.enforced]
        return cls(
            attached=bool(attached),
            ceiling=ceiling,
            allows=tuple(rule for rule in enforced if rule.effect is Effect.ALLOW),
            denies=tuple(rule for rule in enforced if rule.effect is Effect.DENY),
            audits=tuple(rule for rule in rules if not rule.enforced),
        )

    def patterns(self) -> tuple[str, ...]:
        """Return what the Allow rules name, as people read it: for the consent page."""
        return tuple(dict.fromkeys(text for rule in self.allows for text in rule.shown))

    def next_edge(self, now: float) -> float | None:
        """Return the next moment after `now` at which a time window may change a verdict."""
        windows = [rule.window for rule in (*self.allows, *self.denies) if rule.window]
        edges = [edge for window in windows if (edge := window.next_edge(now)) is not None]
        return min(edges, default=None)
