"""What is wrong with an input, where, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["Fault", "Faulty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with an input.

    `path` is dotted with list indices in brackets (`spec.rules[2].when.timeZone`), empty for the
    whole input. `message` says what is wrong and how to mend it, in one sentence or two, and never
    holds a secret. `line` and `column` count from 1; None where the input has no lines.
    """

    path: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return `file:line:col: path: message` with the parts that are known."""
        place = ":".join(
            str(part) for part in (self.file, self.line, self.column) if part is not None
        )
        return ": ".join(part for part in (place, self.path, self.message) if part)

    def under(self, prefix: str) -> "Fault":
        """Return the same fault as seen from a value that holds this one at `prefix`."""
        joined = (
            f"{prefix}.{self.path}"
            if self.path and not self.path.startswith("[")
            else f"{prefix}{self.path}"
        )
        return replace(self, path=joined)


class Faulty(ValueError):  # noqa: N818 - reads as a statement: the input is faulty
    """The input can't be used; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))
