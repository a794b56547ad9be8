"""The clauses of a rule, each lowered once to a function from facts to a value.

A clause is true, false, unknown (a fact is missing) or deferred (known when an item is called).
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_network
from typing import Final

from ostiary.decode.fault import Fault
from ostiary.policy.ambiguous import is_ambiguous_uri
from ostiary.policy.facts import UNKNOWN, Facts, Kind
from ostiary.policy.globs import Names
from ostiary.policy.rule import Effect, Match, RouteSelector, Where
from ostiary.policy.verdict import ClauseValue

__all__ = ["UNDENIABLE", "Clause", "all_of", "compile_match", "compile_routes", "compile_where"]

Clause = Callable[[Facts], ClauseValue]

UNDENIABLE: Final = frozenset({"ping", "notifications/cancelled"})
"""Housekeeping of one's own that no rule can name: it passes wherever there is a foothold."""

_TRUE: Final = ClauseValue.TRUE
_FALSE: Final = ClauseValue.FALSE
_UNKNOWN: Final = ClauseValue.UNKNOWN
_ITEMS: Final = frozenset({Kind.TOOL, Kind.PROMPT, Kind.RESOURCE})


def all_of(parts: tuple[Clause, ...]) -> Clause:
    """Join with Kleene's and: one false is false, else one unknown is unknown; none is true."""
    if len(parts) == 1:
        return parts[0]

    def clause(facts: Facts) -> ClauseValue:
        joined = _TRUE
        for part in parts:
            value = part(facts)
            if value is _FALSE:
                return _FALSE
            if value is not _TRUE:
                joined = value
        return joined

    return clause


def compile_match(match: Match | None, effect: Effect) -> Clause:
    """Lower `match`.

    Where it lists no kind, an Allow covers every tool, prompt and resource; a Deny also what the
    server asks and housekeeping, so that what is denied everything has no foothold either.
    """
    kinds = _kinds(match) if match else {}
    parts = [_by_kind(kinds) if kinds else _every_kind(effect)]
    if match is not None and match.methods is not None:
        parts.append(_methods(Names(match.methods)))
    if match is not None and match.routes is not None:
        parts.append(compile_routes(match.routes))
    return all_of(tuple(parts))


def _kinds(match: Match) -> dict[Kind, Names]:
    named = {
        Kind.TOOL: match.tools,
        Kind.PROMPT: match.prompts,
        Kind.RESOURCE: match.resources,
        Kind.SERVER: match.server,
    }
    return {kind: Names(names) for kind, names in named.items() if names is not None}


def _every_kind(effect: Effect) -> Clause:
    if effect is Effect.ALLOW:
        return lambda facts: _TRUE if facts.subject.kind in _ITEMS else _FALSE
    return lambda _: _TRUE


def _by_kind(kinds: Mapping[Kind, Names]) -> Clause:
    """Match names of the kinds that are listed.

    A URI that parsers may resolve to another one is unknown, unless nothing is listed at all.
    """
    if kinds.keys() == {Kind.TOOL}:
        return _tools(kinds[Kind.TOOL])

    def clause(facts: Facts) -> ClauseValue:
        subject = facts.subject
        names = kinds.get(subject.kind)
        if names is None or names.empty:
            return _FALSE
        if subject.kind is Kind.RESOURCE and is_ambiguous_uri(subject.name):
            return _UNKNOWN
        return _TRUE if names.match(subject.name) else _FALSE

    return clause


def _tools(names: Names) -> Clause:
    """Match tools alone: what most rules do, and the quickest."""
    tool, match = Kind.TOOL, names.match

    def clause(facts: Facts) -> ClauseValue:
        subject = facts.subject
        return _TRUE if subject.kind is tool and match(subject.name) else _FALSE

    return clause


def _methods(names: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        subject = facts.subject
        if subject.kind is Kind.HOUSEKEEPING and subject.method in UNDENIABLE:
            return _FALSE
        return _TRUE if names.match(subject.method) else _FALSE

    return clause


def compile_routes(selector: RouteSelector) -> Clause:
    """Lower the routes that a policy on a gateway is narrowed to; set fields must all fit."""
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
        return _TRUE if fits else _FALSE

    return clause


def compile_where(where: Where, path: str, faults: list[Fault]) -> Clause:
    """Lower `where`; networks that can't be read are added to `faults`.

    An IPv4 address that came mapped into IPv6 is compared as the IPv4 address it is.
    """
    networks = []
    for index, text in enumerate(where.cidrs or ()):
        try:
            networks.append(ip_network(text))
        except ValueError:
            message = f"{text!r} is not a network; write it like 10.0.0.0/8, host bits zero"
            faults.append(Fault(path=f"{path}.cidrs[{index}]", message=message))
    spans = [
        (net.version, int(net.network_address), int(net.broadcast_address)) for net in networks
    ]

    def clause(facts: Facts) -> ClauseValue:
        source = facts.source
        if not spans:
            return _FALSE
        if source is UNKNOWN:
            return _UNKNOWN
        if isinstance(source, IPv6Address):
            source = source.ipv4_mapped or source
        version, number = source.version, int(source)
        fits = any(version == v and low <= number <= high for v, low, high in spans)
        return _TRUE if fits else _FALSE

    return clause
