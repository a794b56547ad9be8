"""Rows of the authorization server: models to and from the Store's bytes."""

from collections.abc import Iterable
from typing import ClassVar, Self, TypeVar

from pydantic import ConfigDict, Field, JsonValue

from ostiary.decode.model import Model
from ostiary_proxy.identity import Person
from ostiary_proxy.store.port import Row, Store

__all__ = ["Kept", "KeptPerson", "find", "load", "save"]


class Kept(Model):
    """The base of stored rows; members that a newer version wrote are ignored by an older one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    def to_bytes(self) -> bytes:
        """Return the row's value."""
        return self.model_dump_json().encode()

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """Return what `row` holds."""
        return cls.model_validate_json(row.value)


K = TypeVar("K", bound=Kept)


class KeptPerson(Kept):
    """A Person as it stands in a row."""

    issuer: str
    subject: str
    email: str | None = None
    name: str | None = None
    groups: tuple[str, ...] | None = ()
    claims: dict[str, JsonValue] = Field(default_factory=dict)
    auth_time: float | None = None
    login_source: str | None = None

    @classmethod
    def of(cls, person: Person) -> Self:
        """Return the stored form of `person`."""
        return cls(
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
            name=person.name,
            groups=None if person.groups is None else tuple(sorted(person.groups)),
            claims=dict(person.claims),
            auth_time=person.auth_time,
            login_source=person.login_source,
        )

    def person(self) -> Person:
        """Return the person."""
        return Person(
            issuer=self.issuer,
            subject=self.subject,
            email=self.email,
            name=self.name,
            groups=None if self.groups is None else frozenset(self.groups),
            claims=self.claims,
            auth_time=self.auth_time,
            login_source=self.login_source,
        )


async def load(store: Store, table: str, key: str, model: type[K]) -> tuple[K, int] | None:
    """Return the row and its version, or None."""
    row = await store.get(table, key)
    return None if row is None else (model.of_row(row), row.version)


async def find(store: Store, table: str, keys: Iterable[str], model: type[K]) -> K | None:
    """Return the first row there is under `keys` (the hashes of one value, newest key first)."""
    for key in keys:
        found = await load(store, table, key, model)
        if found is not None:
            return found[0]
    return None


async def save(
    store: Store, table: str, key: str, kept: Kept, *, expires: float, version: int | None = None
) -> int:
    """Write the row; raises Conflict as `Store.put` does."""
    return await store.put(table, key, kept.to_bytes(), expires=expires, version=version)
