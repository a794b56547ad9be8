"""Records of the audit log as people and scripts read them. Pure: lines in, text out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ostiary_proxy.audit.line import Line, Malformed, parse
from ostiary_proxy.audit.text import ascii_json, escape

__all__ = ["Shown", "details", "one_line", "read_records"]

_LABELS: Final = {
    "decision": "decision", "outcome": "outcome", "event": "event", "code": "code",
    "detail": "detail", "reason": "reason", "method": "method", "name": "name", "route": "route",
    "client_id": "client", "rule": "rule", "rules": "rules", "would": "would have",
    "unknowns": "unknown facts", "gid": "grant", "jti": "token",
}  # fmt: skip
_ERASED: Final = "[erased]"
_ALLOWED: Final = "Allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One record.

    `personal` and `arguments` are None where there are none, the text "[erased]" where erased.
    """

    id: str
    kind: str
    at: float
    sequence: int
    facts: Mapping[str, Any]
    personal: Any
    arguments: Any

    @classmethod
    def of(cls, line: Line) -> "Shown":
        """Return what a line says; nothing is verified."""
        body = line.body
        detached = {
            name: line.value(name) if name in line.detached else _ERASED
            for name in body["commitments"]
        }
        return cls(
            id=str(body["id"]),
            kind=str(body["kind"]),
            at=float(body["at"]),
            sequence=int(body["sequence"]),
            facts=body["facts"],
            personal=detached.get("personal"),
            arguments=detached.get("arguments"),
        )

    @property
    def time(self) -> str:
        """Return the time in UTC, to the second."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def to_json(self) -> dict[str, Any]:
        """Return everything, for scripts."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_records(lines: Iterable[bytes]) -> Iterator[Shown]:
    """Iterate over the records in `lines`; what is no record is left to `audit verify`."""
    for raw in lines:
        try:
            yield Shown.of(parse(raw))
        except (Malformed, ValueError, TypeError, KeyError, OverflowError):
            continue


def one_line(record: Shown) -> str:
    """Return the record as one line of a list."""
    facts = record.facts
    parts = [record.time, f"{_verb(record):<11}", *_subject(facts), *_reason(facts)]
    who = _who(record.personal)
    parts += [f"({who})"] if who else []
    return " ".join([*parts, f"[{record.id}]"])


def details(record: Shown) -> str:
    """Return the record as a paragraph: everything that stands in it."""
    rows = [("when", f"{record.time} UTC, record {record.sequence}")]
    known = [name for name in _LABELS if name in record.facts]
    others = [name for name in record.facts if name not in _LABELS]
    rows += [(_LABELS.get(name, name), _text(record.facts[name])) for name in [*known, *others]]
    if isinstance(record.personal, Mapping):
        rows += [(name, _text(value)) for name, value in record.personal.items() if value]
    elif record.personal is not None:
        rows.append(("person", record.personal))
    if record.arguments is not None:
        rows.append(("arguments", _text(record.arguments)))
    width = max(len(label) for label, _ in rows)
    return "\n".join([record.kind, *(f"  {label:<{width}}  {text}" for label, text in rows)])


def _verb(record: Shown) -> str:
    facts = record.facts
    for name in ("decision", "outcome"):
        if name in facts:
            return _bare(str(facts[name]))
    return record.kind


def _subject(facts: Mapping[str, Any]) -> list[str]:
    names = [facts.get(name) for name in ("event", "method", "name")]
    route = facts.get("route")
    told = [_bare(str(name)) for name in names if name]
    told += [f"on {_bare(str(route))}"] if route else []
    return [*told, "by the gateway"] if facts.get("by") == "gateway" else told


def _reason(facts: Mapping[str, Any]) -> list[str]:
    if facts.get("decision") not in ("deny", "drop") and "code" not in facts:
        return []
    reason = facts.get("reason")
    if reason in (None, _ALLOWED):  # policy let it pass, and something else did not
        return [_bare(f"because {facts.get('code') or facts.get('detail')}")]
    rule = facts.get("rule")
    by = f" by {rule.get('policy')}: {rule.get('rule')}" if isinstance(rule, Mapping) else ""
    return [_bare(f"because {reason}{by}")]


def _who(personal: Any) -> str:
    if not isinstance(personal, Mapping):
        return _ERASED if personal else ""
    who = personal.get("email") or personal.get("subject") or personal.get("source") or ""
    return _bare(str(who))


def _text(value: Any) -> str:
    """Return a value for a terminal: strings bare and escaped, anything else as ASCII JSON."""
    if isinstance(value, str):
        return _bare(value)
    if isinstance(value, Mapping) and value.keys() == {"policy", "rule", "generation"}:
        return _bare(f"{value['policy']}: {value['rule']} (generation {value['generation']})")
    return ascii_json(value)


def _bare(text: str) -> str:
    """Return text of the log, where it was escaped already; what a forger wrote may not be."""
    return text if text.isprintable() else escape(text)
