"""What one object shows by itself: its faults, and what is legal and yet worth a word.

Nothing around it is looked at. What depends on other objects belongs to statuses: to refuse an
object for the lack of another would prescribe the order in which they may be applied.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ostiary.decode.fault import Fault
from ostiary.policy.check import narrows
from ostiary.policy.rule import Effect, Mode, Rule, Who
from ostiary.resources.gateway import MCPGateway
from ostiary.resources.manifest import Kind, Manifest
from ostiary.resources.pod_template import pod_template_faults
from ostiary.resources.policy import MCPPolicy
from ostiary.translate.attach import judge
from ostiary.translate.parsed import Cache, Parsed, parse

__all__ = ["Alone", "look_alone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """`faults` are everything that is wrong; `remarks` are only made where nothing is."""

    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()


def look_alone(manifest: Manifest) -> Alone:
    """Return what one object shows by itself."""
    (item,) = parse((manifest,), Cache())
    if faults := _faults(item):
        return Alone(faults=faults)
    policy = item.resource
    return Alone(remarks=tuple(_remarks(policy)) if isinstance(policy, MCPPolicy) else ())


def _faults(item: Parsed) -> tuple[Fault, ...]:
    if item.manifest.kind is Kind.POLICY:
        return judge(item).faults
    if isinstance(item.resource, MCPGateway):
        pods = item.resource.spec.proxy.pod_template
        return tuple(pod_template_faults(pods, "spec.proxy.podTemplate"))
    return item.faults


def _remarks(policy: MCPPolicy) -> Iterator[str]:
    spec = policy.spec
    if all((rule.mode or spec.mode) is Mode.AUDIT for rule in spec.rules):
        yield "spec.mode: every rule is Audit, so this policy allows and refuses nothing"
    for index, rule in enumerate(spec.rules):
        if _opens_all(rule) and (rule.mode or spec.mode) is Mode.ENFORCE:
            yield f"spec.rules[{index}]: allows everything to everyone who can log in"


def _opens_all(rule: Rule) -> bool:
    """Say whether a rule allows every call of everyone, on the routes that it is for."""
    return (
        (rule.effect, rule.who) == (Effect.ALLOW, Who(everyone=True))
        and not narrows(rule.match)
        and (rule.when, rule.where, rule.condition) == (None, None, None)
    )
