"""From a record to its line in the chain. Pure but for the tokens it remembers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from typing import Final

from ostiary.crypto.seal import Entropy
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.arguments import Mode, as_written
from ostiary_proxy.audit.line import GENESIS, Detached, compose
from ostiary_proxy.audit.record import Record
from ostiary_proxy.audit.text import escape, tidy_json

__all__ = ["START", "Head", "Scribe", "Tokens", "fresh_salts"]

_SALT: Final = 32
"""Bytes of salt behind each commitment."""
_SALTS: Final = 64
_REMEMBERED: Final = 4096
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record of a chain: its sequence number (from 1) and the hash of its line."""

    sequence: int
    hash: str


START: Final = Head(0, GENESIS)
"""Where a chain begins."""


class Tokens:
    """Makes equal values recognisable across records without showing them.

    A token is a keyed hash; the key changes with every month (UTC), so that what a person did in
    one month can't be joined to the next by somebody who has the log alone.
    """

    __slots__ = ("_day", "_keyed_hash", "_known", "_period")

    def __init__(self, keyed_hash: Callable[[str, str], str]) -> None:
        """`keyed_hash(label, value)` returns a hex HMAC; the label keeps the uses apart."""
        self._keyed_hash = keyed_hash
        self._known: dict[tuple[object, ...], tuple[str, str]] = {}
        self._day = -1
        self._period = ""

    def personal(self, values: Mapping[str, Json], at: float) -> tuple[str, str]:
        """Return `values` as JSON, and their tokens in the month of `at` as JSON.

        Remembered, because few people at few places make most of the records.
        """
        if not all(isinstance(value, str) for value in values.values()):
            return self._personal(values, at)  # 1 and True are one key of a dict
        key = (self._month(at), *values.items())
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._personal(values, at)
        return found

    def digest(self, text: str, at: float) -> str:
        """Return the keyed hash of arguments, whole and not remembered."""
        month = self._month(at)
        return f"{month}:{self._keyed_hash(f'audit arguments {month}', text)}"

    def _personal(self, values: Mapping[str, Json], at: float) -> tuple[str, str]:
        month = self._month(at)
        tokens = (
            f"{_quoted(name)}:{_quoted(self._token(month, name, _plain(value)))}"
            for name, value in sorted(values.items())
            if value is not None
        )
        return tidy_json(values), f"{{{','.join(tokens)}}}"

    def _token(self, month: str, name: str, text: str) -> str:
        return f"{month}:{self._keyed_hash(f'audit equality {month} {name}', text)[:32]}"

    def _month(self, at: float) -> str:
        day = int(at // _DAY)
        if day != self._day:
            self._day, self._period = day, datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
        return self._period


def fresh_salts(entropy: Entropy) -> Iterator[bytes]:
    """Iterate for ever over salts, fetched many at a time: a system call costs more than a line."""
    while True:
        block = entropy(_SALT * _SALTS)
        yield from (block[at : at + _SALT] for at in range(0, len(block), _SALT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scribe:
    """Writes lines for one process: `gateway` and `boot` stand in each of them."""

    gateway: str
    boot: str
    mode: Mode
    tokens: Tokens
    salts: Iterator[bytes]

    def line(self, record: Record, after: Head) -> tuple[bytes, Head]:
        """Return the line of `record` that follows `after`, and the head it makes.

        Raises TypeError where the record holds what JSON can't.
        """
        sequence = after.sequence + 1
        personal, equal = "", "{}"
        if record.personal:
            personal, equal = self.tokens.personal(record.personal, record.at)
        detached = self._detach(record, personal)
        commitments = ",".join(f'"{n}":"{value.commitment}"' for n, value in detached.items())
        body = (
            f'{{"at":{round(record.at, 6)!r},"boot":"{self.boot}"'
            f',"commitments":{{{commitments}}},"equal":{equal}'
            f',"facts":{tidy_json(record.facts)},"gateway":{_quoted(self.gateway)}'
            f',"id":{_quoted(record.id)},"kind":"{record.kind.value}"'
            f',"previous":"{after.hash}","sequence":{sequence}}}'
        )
        raw, digest = compose(body, detached)
        return raw, Head(sequence, digest)

    def _detach(self, record: Record, personal: str) -> Mapping[str, Detached]:
        detached: dict[str, Detached] = {}
        if record.arguments is not None:
            text = as_written(
                record.arguments, self.mode, lambda text: self.tokens.digest(text, record.at)
            )
            detached["arguments"] = Detached(salt=next(self.salts), text=text)
        if personal:
            detached["personal"] = Detached(salt=next(self.salts), text=personal)
        return detached


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() else tidy_json(value)


def _quoted(text: str) -> str:
    return encode_basestring_ascii(escape(text))
