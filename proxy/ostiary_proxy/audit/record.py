"""What is written down: one record for each decision, outcome and administrative act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ostiary.decode.strict_json import Json

__all__ = ["AuditLog", "AuditUnavailable", "Kind", "Record"]


class AuditUnavailable(Exception):  # noqa: N818 - a statement
    """The record could not be handed over; whatever it records must not happen."""


class Kind(StrEnum):
    """What a record is about.

    A DECISION with the fact `decision: allow` is written before anything is forwarded and ended by
    one OUTCOME of the same id. A denial ends itself: DECISION with `decision: deny`, or REFUSAL.
    """

    DECISION = "decision"
    OUTCOME = "outcome"
    REFUSAL = "refusal"
    SERVER_MESSAGE = "server-message"
    REGISTRATION = "registration"
    LOGIN = "login"
    CONSENT = "consent"
    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105 - a kind of record
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that happened.

    `id` joins decision and outcome and is shown to the caller. `at` is epoch seconds. `facts` go
    into the chain as they are: names, reasons, rule references, ids; never a token, code, cookie or
    secret. `personal` values (e-mail, address, subject) and `arguments` stand behind salted
    commitments, so that they can be erased without breaking the chain; `arguments` are written as
    the gateway's argument mode says.
    """

    id: str
    kind: Kind
    at: float
    facts: Mapping[str, Json]
    personal: Mapping[str, Json] = field(default_factory=dict)
    arguments: Json = None


class AuditLog(Protocol):
    """Takes records.

    Returning means written: handed to the kernel, or on disk, as the gateway asks.
    """

    async def write(self, record: Record) -> None:
        """Write `record`; raises AuditUnavailable."""
