"""The `who` clause: groups, users, clients and claims, each lowered once.

A fact that the identity provider did not give might be the one that is meant: it is unknown, which
never allows and never escapes a Deny.
"""

from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.clause import Clause, all_of
from ostiary.policy.facts import Facts
from ostiary.policy.globs import Names
from ostiary.policy.rule import Who
from ostiary.policy.verdict import ClauseValue

__all__ = ["compile_who"]

_TRUE: Final = ClauseValue.TRUE
_FALSE: Final = ClauseValue.FALSE
_UNKNOWN: Final = ClauseValue.UNKNOWN


def compile_who(who: Who) -> Clause:
    """Lower `who`; fields that are set must all match, `everyone` is true of each."""
    parts: list[Clause] = []
    if who.groups is not None:
        parts.append(_groups(Names(who.groups)))
    if who.users is not None:
        parts.append(_users(who.users))
    if who.clients is not None:
        parts.append(_clients(who.clients))
    parts += [_claim(name, Names(values)) for name, values in (who.claims or {}).items()]
    return all_of(tuple(parts))


def _groups(names: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        groups = facts.caller.groups
        if names.empty:
            return _FALSE
        if groups is None:
            return _UNKNOWN
        return _TRUE if names.match_any(groups) else _FALSE

    return clause


def _users(patterns: tuple[str, ...]) -> Clause:
    """Match subject or e-mail; one that nobody verified is unknown where a pattern may mean it."""
    names = Names(patterns)
    may_be_email = any("@" in text or "*" in text for text in patterns)

    def clause(facts: Facts) -> ClauseValue:
        caller = facts.caller
        if names.match(caller.subject):
            return _TRUE
        if caller.email is None:
            return _UNKNOWN if may_be_email else _FALSE
        return _TRUE if names.match(caller.email) else _FALSE

    return clause


def _clients(patterns: tuple[str, ...]) -> Clause:
    """Match client id or host; one that nobody verified is unknown where a pattern may mean it."""
    names = Names(patterns)
    may_be_host = any("/" not in text and ("." in text or "*" in text) for text in patterns)

    def clause(facts: Facts) -> ClauseValue:
        caller = facts.caller
        if names.match(caller.client_id):
            return _TRUE
        if caller.client_host is None:
            return _UNKNOWN if may_be_host else _FALSE
        return _TRUE if names.match(caller.client_host) else _FALSE

    return clause


def _claim(name: str, values: Names) -> Clause:
    def clause(facts: Facts) -> ClauseValue:
        claim = facts.caller.claims.get(name)
        if values.empty:
            return _FALSE
        if claim is None:
            return _UNKNOWN
        texts = [_text(item) for item in (claim if isinstance(claim, list) else [claim])]
        if any(text is not None and values.match(text) for text in texts):
            return _TRUE
        return _UNKNOWN if None in texts else _FALSE

    return clause


def _text(value: Json) -> str | None:
    """Return a claim's value as people write it in a list; None for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None
