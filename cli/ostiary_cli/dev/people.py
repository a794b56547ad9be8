"""The people whom the development identity provider knows: a YAML or JSON list in a file."""

import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.model import Model, validate
from ostiary.decode.yaml_documents import read_documents

__all__ = ["DevPerson", "People", "read_people"]


class DevPerson(Model):
    """One person. `username` is also the subject; `email` counts as verified."""

    username: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
    password: Secret
    email: str | None = Field(default=None, max_length=254)
    groups: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    name: str | None = Field(default=None, max_length=128)

    def claims(self) -> dict[str, object]:
        """Return the claims that ID tokens and userinfo carry about this person."""
        shown: dict[str, object] = {
            "sub": self.username,
            "preferred_username": self.username,
            "name": self.name or self.username.capitalize(),
            "groups": list(self.groups),
        }
        if self.email is not None:
            shown |= {"email": self.email, "email_verified": True}
        return shown


class _PeopleFile(Model):
    users: Annotated[tuple[DevPerson, ...], Field(min_length=1, max_length=1000)]


def read_people(text: bytes, file: str) -> tuple[DevPerson, ...]:
    """Return the people in a list `[{username, password, email, groups, name}]`.

    Raises Faulty with every fault and its place.
    """
    documents = read_documents(text, file)
    if len(documents) != 1 or not isinstance(documents[0].value, list):
        raise Faulty([Fault(path="", file=file, message="must hold one list of people")])
    try:
        people = validate(_PeopleFile, {"users": documents[0].value}).users
    except Faulty as faulty:
        raise Faulty(_place(fault, file) for fault in faulty.faults) from None
    names = [person.username for person in people]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        said = f"the username {twice[0]} stands twice; usernames are unique"
        raise Faulty([Fault(path="", file=file, message=said)])
    return people


def _place(fault: Fault, file: str) -> Fault:
    return Fault(path=fault.path.removeprefix("users"), message=fault.message, file=file)


class People:
    """The people of a file, read anew when it changes; a file that turns faulty changes nothing."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises Faulty or OSError."""
        self._path = path
        self._seen = self._stamp()
        self._people = self._read()

    def find(self, username: str) -> DevPerson | None:
        """Return the person of that name as the file says now."""
        self._refresh()
        return next((person for person in self._people if person.username == username), None)

    def check(self, username: str, password: str) -> DevPerson | None:
        """Return the person if the password is theirs; takes as long for a name that nobody has."""
        person = self.find(username)
        known = person.password if person else Secret("")
        right = hmac.compare_digest(known.reveal().encode(), password.encode("utf-8", "replace"))
        return person if right else None

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._people, self._seen = self._read(), stamp
        except (OSError, Faulty):
            return

    def _read(self) -> Sequence[DevPerson]:
        return read_people(self._path.read_bytes(), str(self._path))

    def _stamp(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
