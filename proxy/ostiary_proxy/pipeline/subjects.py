"""What policy decided a message on, written down for whoever has to decide again later."""

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import UNKNOWN, Deferred, Kind, Subject, Unknown

__all__ = ["read_subject", "written_subject"]


def written_subject(subject: Subject) -> list[Json]:
    """Return the subject as JSON; with arguments it is to be sealed."""
    arguments = subject.arguments
    known = {**arguments} if not isinstance(arguments, Deferred | Unknown) else None
    return [subject.kind.value, subject.method, subject.name, known]


def read_subject(parts: list[Json]) -> Subject:
    """Return the subject that `written_subject` wrote."""
    kind, method, name, arguments = parts
    return Subject(
        kind=Kind(str(kind)),
        method=str(method),
        name=str(name),
        arguments=arguments if isinstance(arguments, dict) else UNKNOWN,
    )
