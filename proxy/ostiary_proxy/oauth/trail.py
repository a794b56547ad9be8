"""What we write down: ids, names and reasons, never a credential (security decision 17)."""

from collections.abc import Mapping

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import Kind, Record
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Address, Incoming

__all__ = ["note", "note_refusal"]


async def note(
    context: Context,
    kind: Kind,
    event: str,
    facts: Mapping[str, Json],
    *,
    person: Person | None = None,
    source: Address | None = None,
) -> str:
    """Write one record and return its id; on AuditUnavailable the act must not happen.

    `event` is a stable word such as `token-issued`.
    """
    record = Record(
        id=context.new_id(),
        kind=kind,
        at=context.clock(),
        facts={"event": event, **facts},
        personal=_personal(person, source),
    )
    await context.log.write(record)
    return record.id


async def note_refusal(
    context: Context, refused: Refused, request: Incoming, facts: Mapping[str, Json]
) -> str:
    """Write or count a refusal of somebody whom we may not know; raises AuditUnavailable."""
    record = Record(
        id=context.new_id(),
        kind=Kind.REFUSAL,
        at=context.clock(),
        facts={
            "event": "oauth-refused",
            "issuer": request.origin,
            "path": request.path,
            "code": refused.code,
            "detail": refused.detail,
            **facts,
        },
        personal=_personal(None, request.source),
    )
    await context.log.write(record)
    return record.id


def _personal(person: Person | None, source: Address | None) -> Mapping[str, Json]:
    known: dict[str, Json] = {}
    if person is not None:
        known |= {"identity_issuer": person.issuer, "subject": person.subject}
        known |= {"email": person.email} if person.email else {}
    return known | ({"source": str(source)} if source is not None else {})
