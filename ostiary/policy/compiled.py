"""Rules after compilation: what a proxy holds for one route, built at reload and never again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ostiary.policy.clause import Clause
from ostiary.policy.facts import Facts
from ostiary.policy.redact import Redaction
from ostiary.policy.rule import Effect, Mode, Rule
from ostiary.policy.verdict import RuleRef, RuleTrace
from ostiary.policy.window import Window

__all__ = ["Attached", "CompiledPolicy", "CompiledRule", "Limit", "PolicySet"]

_CLOCK_CONDITION: Final = 60.0
"""A condition on `now` can't tell when it changes: it is asked again after so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A rate limit: `key` makes the bucket's name of the facts."""

    requests: int
    per: float
    key: Callable[[Facts], str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledRule:
    """One rule, lowered.

    `steps` are `match` and the clauses that were written, cheapest first, `names` their names.
    `foothold` are those that count for a foothold: of an Allow the routes of `match`, `who` and
    `where` alone. `decides` is a digest of what a verdict depends on. `certain` is the trace of the
    rule with each clause true, made once because it is the usual one. `shown` names what the rule
    covers, for people.
    """

    ref: RuleRef
    on_gateway: bool
    effect: Effect
    enforced: bool
    decides: bytes
    names: tuple[str, ...]
    steps: tuple[Clause, ...]
    foothold: tuple[tuple[str, Clause], ...]
    certain: RuleTrace
    limit: Limit | None
    redactions: tuple[Redaction, ...]
    message: str | None
    window: Window | None
    reads_now: bool
    shown: tuple[str, ...]

    def next_edge(self, now: float) -> float | None:
        """Return the next moment at which the time alone may change what this rule does."""
        edge = self.window.next_edge(now) if self.window else None
        if not self.reads_now:
            return edge
        return now + _CLOCK_CONDITION if edge is None else min(edge, now + _CLOCK_CONDITION)


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledPolicy:
    """One policy's rules in order of name; shared by every route that it is attached to."""

    key: str
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicySet:
    """Everything that decides on one route.

    `allows`, `denies` are enforced, `audits` only recorded; each in order of policy and rule name.
    `attached` says whether any policy is attached at all; `ceiling` that both levels have to allow.
    Sets whose `decides` are equal give the same verdicts.
    """

    attached: bool
    ceiling: bool
    allows: tuple[CompiledRule, ...]
    denies: tuple[CompiledRule, ...]
    audits: tuple[CompiledRule, ...]
    decides: tuple[object, ...]

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
            decides=(ceiling, *((rule.on_gateway, rule.decides) for rule in enforced)),
        )

    def patterns(self) -> tuple[str, ...]:
        """Return what the Allow rules name, as people read it: for the consent page."""
        return tuple(dict.fromkeys(text for rule in self.allows for text in rule.shown))

    def turned(self, since: float, now: float) -> bool:
        """Say whether a time window began or ended between two moments."""
        windows = (rule.window for rule in (*self.allows, *self.denies))
        edges = (window.next_edge(since) for window in windows if window is not None)
        return any(edge is not None and edge <= now for edge in edges)

    def next_edge(self, now: float) -> float | None:
        """Return the next moment after `now` at which the time alone may change a verdict."""
        edges = [rule.next_edge(now) for rule in (*self.allows, *self.denies)]
        return min((edge for edge in edges if edge is not None), default=None)
