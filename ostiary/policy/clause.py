"""The clauses of a rule, each lowered once to a function from facts to true, false.

Unknown or deferred.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Final

from ostiary.decode.fault import Fault
from ostiary.decode.strict_json import Json
from ostiary.policy.expression import Expression, ExpressionFaulty
from ostiary.policy.facts import UNKNOWN, Facts, Kind
from ostiary.policy.globs import Names
from ostiary.policy.rule import Effect, Match, RouteSelector, Rule, Where, Who
from ostiary.policy.verdict import ClauseValue
from ostiary.policy.window import compile_window

__all__ = ["Clause", "clauses_of", "compile_match", "compile_routes"]

Clause = Callable[[Facts], ClauseValue]
TRUE: Final = ClauseValue.TRUE
FALSE: Final = ClauseValue.FALSE
NOT_KNOWN: Final = ClauseValue.UNKNOWN
_CONFUSING: Final = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\?#]|$)|%2e|%2f|%5c|\\", re.IGNORECASE)


def clauses_of(rule: Rule, path: str) -> tuple[dict[str, Clause], list[Fault]]:
    """Return the written clauses of `rule` by name, cheapest first, and every fault in them."""
    clauses: dict[str, Clause] = {"match": compile_match(rule.match, rule.effect)}
    faults: list[Fault] = []
    if rule.who is not None:
        clauses["who"] = _who(rule.who)
    if rule.where is not None:
        clauses["where"] = _where(rule.where, f"{path}.where", faults)
    if rule.when is not None:
        window, found = compile_window(rule.when, f"{path}.when")
        faults += found
        if window is not None:
            clauses["when"] = lambda facts: TRUE if window.holds(facts.now) else FALSE
    if rule.condition is not None:
        try:
            clauses["condition"] = Expression(rule.condition).evaluate
        except ExpressionFaulty as error:
            faults.append(
                Fault(path=f"{path}.condition", message=f"is not a CEL condition: {error}")
            )
    return clauses, faults


def all_of(values: "list[ClauseValue]") -> ClauseValue:
    """Join with Kleene's and: one false is false, else one unknown is unknown."""
    if FALSE in values:
        return FALSE
    return NOT_KNOWN if NOT_KNOWN in values else TRUE


def compile_match(match: Match | None, effect: Effect) -> Clause:
    """Lower `match`.

    Absent, it covers every tool, prompt and resource, and a Deny server requests too.
    """
    if match is None:
        return _every_kind(effect)
    kinds = _kinds(match)
    subject = _by_kind(kinds) if kinds else _every_kind(effect)
    others: list[Clause] = [subject]
    if match.methods is not None:
        methods = Names(match.methods)
        others.append(lambda facts: TRUE if methods.match(facts.subject.method) else FALSE)
    if match.routes is not None:
        others.append(compile_routes(match.routes))
    if len(others) == 1:
        return subject
    return lambda facts: all_of([clause(facts) for clause in others])


def _kinds(match: Match) -> dict[Kind, Names]:
    named = {
        Kind.TOOL: match.tools,
        Kind.PROMPT: match.prompts,
        Kind.RESOURCE: match.resources,
        Kind.SERVER: match.server,
    }
    return {kind: Names(names) for kind, names in named.items() if names is not None}


def _every_kind(effect: Effect) -> Clause:
    covered = {Kind.TOOL, Kind.PROMPT, Kind.RESOURCE}
    if effect is not Effect.ALLOW:
        covered.add(Kind.SERVER)
    return lambda facts: TRUE if facts.subject.kind in covered else FALSE


def _by_kind(kinds: Mapping[Kind, Names]) -> Clause:
    """Match names of the kinds that are listed.

    A URI that parsers may resolve to another one is unknown.
    """

    def clause(facts: Facts) -> ClauseValue:
        names = kinds.get(facts.subject.kind)
        if names is None:
            return FALSE
        if facts.subject.kind is Kind.RESOURCE and _CONFUSING.search(facts.subject.name):
            return NOT_KNOWN
        return TRUE if names.match(facts.subject.name) else FALSE

    return clause


def compile_routes(selector: RouteSelector) -> Clause:
    """Lower the selector that narrows a policy on a gateway to some of its routes."""
    namespaces = None if selector.namespaces is None else Names(selector.namespaces)
    names = None if selector.names is None else Names(selector.names)
    labels = dict(selector.labels or {}).items()

    def clause(facts: Facts) -> ClauseValue:
        route = facts.route
        fits = (
            (namespaces is None or namespaces.match(route.namespace))
            and (names is None or names.match(route.name))
            and labels <= route.labels.items()
        )
        return TRUE if fits else FALSE

    return clause


def _who(who: Who) -> Clause:
    parts: list[Clause] = []
    if who.groups is not None:
        parts.append(_groups(Names(who.groups)))
    if who.users is not None:
        parts.append(_users(Names(who.users)))
    if who.clients is not None:
        parts.append(_clients(Names(who.clients)))
    parts += [_claim(name, Names(values)) for name, values in (who.claims or {}).items()]
    if not parts:
        return lambda _: TRUE
    return parts[0] if len(parts) == 1 else lambda facts: all_of([part(facts) for part in parts])


def _groups(names: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        groups = facts.caller.groups
        if groups is None:
            return NOT_KNOWN
        return TRUE if any(names.match(group) for group in groups) else FALSE

    return clause


def _users(names: Names) -> Clause:
    """Match subject or e-mail; an e-mail that nobody verified might be the one that is meant."""

    def clause(facts: Facts) -> ClauseValue:
        caller = facts.caller
        if names.match(caller.subject):
            return TRUE
        if caller.email is None:
            return NOT_KNOWN
        return TRUE if names.match(caller.email) else FALSE

    return clause


def _clients(names: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        host = facts.caller.client_host
        fits = names.match(facts.caller.client_id) or (host is not None and names.match(host))
        return TRUE if fits else FALSE

    return clause


def _claim(name: str, values: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        claim = facts.caller.claims.get(name)
        if claim is None:
            return NOT_KNOWN
        texts = [_text(item) for item in (claim if isinstance(claim, list) else [claim])]
        if any(text is not None and values.match(text) for text in texts):
            return TRUE
        return NOT_KNOWN if None in texts else FALSE

    return clause


def _text(value: Json) -> str | None:
    """Return a claim's value as people write it in a list; None for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _where(where: Where, path: str, faults: list[Fault]) -> Clause:
    networks = []
    for index, text in enumerate(where.cidrs or ()):
        try:
            networks.append(ip_network(text))
        except ValueError:
            message = f"{text!r} is not a network; write it like 10.0.0.0/8, host bits zero"
            faults.append(Fault(path=f"{path}.cidrs[{index}]", message=message))
    if where.cidrs is None:
        return lambda _: TRUE

    def clause(facts: Facts) -> ClauseValue:
        source = facts.source
        if source is UNKNOWN:
            return NOT_KNOWN
        return TRUE if any(source in network for network in networks) else FALSE

    return clause
