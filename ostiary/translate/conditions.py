"""Conditions: what holds for an object, step by step, with a reason for whatever does not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.decode.yaml_documents import Plain
from ostiary.resources.manifest import Manifest
from ostiary.resources.status import ConditionStatus, LastError, Truth
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.world import History, Reported

__all__ = ["WAITING", "Ladder", "Said", "dated", "last_error", "programmed", "timestamp"]

WAITING: Final = frozenset({Reason.PENDING, Reason.NOT_REPORTED, Reason.ROLLING_OUT})
"""Reasons that end by themselves."""
_MESSAGE: Final = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """One condition before it has a time."""

    status: Truth
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        """Say whether the condition is true."""
        return self.status == "True"


@dataclass(slots=True, kw_only=True)
class Ladder:
    """Collects an object's conditions, in order."""

    manifest: Manifest
    problems: Sequence[Problem]
    said: dict[Condition, Said] = field(default_factory=dict)

    def say(self, condition: Condition, said: Said) -> Said:
        """Set a condition."""
        self.said[condition] = said
        return said

    def step(self, condition: Condition, good: Reason, text: str) -> Said:
        """Set a condition: True unless a problem is against it, Unknown below a broken step."""
        against = next((item for item in self.problems if item.condition is condition), None)
        if against is not None:
            return self.say(condition, Said("False", against.reason, _with_path(against)))
        broken = next((said for said in self.said.values() if not said.holds), None)
        if broken is not None:
            return self.say(condition, Said("Unknown", Reason.PENDING, "not looked at yet"))
        return self.say(condition, Said("True", good, text))

    def ready(self, steps: Iterable[Condition], text: str) -> None:
        """Set Ready by the steps before it, and Reconciling or Stalled while they are true."""
        for step in steps:
            said = self.said[step]
            if not said.holds:
                self.say(Condition.READY, Said(said.status, said.reason, said.message))
                break
        else:
            self.say(Condition.READY, Said("True", Reason.READY, text))
        accepted = self.said[Condition.ACCEPTED]
        later = (self.said.get(item) for item in (Condition.AVAILABLE, Condition.PROGRAMMED))
        waiting = next((said for said in later if said and said.reason in WAITING), None)
        if accepted.status == "False":
            # Trying again can't help: somebody has to change the object or its neighbours.
            self.say(Condition.STALLED, Said("True", accepted.reason, accepted.message))
        elif waiting is not None:
            self.say(Condition.RECONCILING, Said("True", waiting.reason, waiting.message))

    def conditions(self) -> tuple[ConditionStatus, ...]:
        """Return the conditions; `dated` says since when each holds."""
        return tuple(
            ConditionStatus(
                type=condition,
                status=said.status,
                reason=said.reason,
                message=said.message[:_MESSAGE],
                observed_generation=self.manifest.meta.generation,
                last_transition_time="",
            )
            for condition, said in self.said.items()
        )


def dated(status: Mapping[str, Any], before: Mapping[str, Plain], now: str) -> dict[str, Any]:
    """Return a plain status whose conditions have the time of their last change.

    That is the time in the last status (`before`) where they were the same there, else `now`.
    """
    since = dict(_times(before))
    shown = dict(status)
    shown["conditions"] = _with_times(status["conditions"], since, now)
    if "ancestors" in status:
        shown["ancestors"] = [
            {**item, "conditions": _with_times(item["conditions"], since, now)}
            for item in status["ancestors"]
        ]
    return shown


def _with_times(
    conditions: Sequence[Mapping[str, Any]], since: Mapping[tuple[str, str], str], now: str
) -> list[dict[str, Any]]:
    return [
        {**item, "lastTransitionTime": since.get((item["type"], item["status"]), now)}
        for item in conditions
    ]


def _times(before: Mapping[str, Plain]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield since when each condition (type, status) of the last status holds."""
    listed = before.get("conditions")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(time := item.get("lastTransitionTime"), str):
            yield (str(item.get("type")), str(item.get("status"))), time


def programmed(key: str, history: History | None, reported: Sequence[Reported]) -> Said:
    """Return Programmed of one object (`Kind/namespace/name`): what proxies themselves report."""
    if history is None or key not in history.since:
        return Said("False", Reason.NOT_RENDERED, "there is nothing that a proxy could be given")
    since = history.since[key][1]
    ready = [proxy for proxy in reported if proxy.ready]
    if not ready:
        return Said("Unknown", Reason.PENDING, "no proxy has reported yet")
    for proxy in ready:
        for fault in proxy.faults:
            if f"{fault.kind}/{fault.key}" == key:
                said = f"proxy {proxy.proxy} can't serve it: {fault.message}"
                return Said("False", Reason.PROXY_FAULT, said)
    current = sum(proxy.revision >= since for proxy in ready)
    if current < len(ready):
        said = f"{current}/{len(ready)} proxies serve it"
        return Said("False", Reason.NOT_REPORTED, said)
    # No number here: a proxy more or less would rewrite the status of every route.
    return Said("True", Reason.PROGRAMMED, "every proxy that is ready serves it")


def last_error(problems: Sequence[Problem]) -> LastError | None:
    """Return the first problem as people read it."""
    if not problems:
        return None
    first = problems[0]
    return LastError(field=first.path[:512], message=first.message[:_MESSAGE])


def timestamp(now: float) -> str:
    """Return epoch seconds as Kubernetes writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_path(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}" if problem.path else problem.message
