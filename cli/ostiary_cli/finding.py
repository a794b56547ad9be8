"""What `ostiary doctor` says: one line for each thing that it asked."""

from dataclasses import dataclass
from enum import StrEnum

from ostiary_proxy.outbound.exchange import OutboundFailed

__all__ = ["Finding", "Mark", "bad", "good", "odd", "unreachable"]


class Mark(StrEnum):
    """Works; does not; could not be told, or works with a reservation."""

    GOOD = "✓"
    BAD = "✗"
    ODD = "!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`subject` is the object asked about, `mend` what to do, empty where all is well."""

    mark: Mark
    subject: str
    said: str
    mend: str = ""

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.mark} {self.subject}: {self.said}" + (f"; {self.mend}" if self.mend else "")


def good(subject: str, said: str) -> Finding:
    """Return that it works."""
    return Finding(mark=Mark.GOOD, subject=subject, said=said)


def bad(subject: str, said: str, mend: str) -> Finding:
    """Return that it does not work, with the mend."""
    return Finding(mark=Mark.BAD, subject=subject, said=said, mend=mend)


def odd(subject: str, said: str, mend: str = "") -> Finding:
    """Return that it could not be told, or works with a reservation."""
    return Finding(mark=Mark.ODD, subject=subject, said=said, mend=mend)


_MENDS = {
    "dns": "check the host name; names inside a cluster resolve there only",
    "connect": "start it, or check host and port",
    "tls": "its certificate is not trusted here or has another name; renew it, or name its CA",
    "timeout": "check that nothing between here and there swallows packets",
    "forbidden-address": "this kind of address is never connected to, or needs upstreams.allow",
    "protocol": "check that HTTP is spoken there",
}


def unreachable(subject: str, url: str, failed: OutboundFailed) -> Finding:
    """Return that nothing answers at `url`, with the mend for the reason."""
    mend = _MENDS.get(failed.reason, "try again")
    return bad(subject, f"{url} can't be reached ({failed})", mend)
