"""Which rows belong to a person: (identity issuer, subject) under the keyed hash."""

from typing import Final

from ostiary_proxy.oauth.context import Context

__all__ = ["person_key", "person_keys"]

_LENGTH: Final = 32


def person_key(context: Context, issuer: str, subject: str) -> str:
    """Return the prefix under which new rows of a person are written."""
    return person_keys(context, issuer, subject)[0]


def person_keys(context: Context, issuer: str, subject: str) -> tuple[str, ...]:
    """Return the prefixes under every key of the ring, newest first."""
    hashes = context.hashes("person", f"{issuer}\0{subject}")
    return tuple(found[:_LENGTH] for found in hashes)
