"""Reading the answers of authorization servers: small JSON objects from somebody else, strictly."""

import re
from collections.abc import Mapping
from typing import Final

from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.outbound.http import Fetched
from ostiary_proxy.outbound.provider import FlowFailed, TokenAnswer

__all__ = ["read_object", "token_answer"]

_CREDENTIAL: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_ERROR: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")
_LONGEST: Final = 10 * 365 * 86400.0


def read_object(body: bytes) -> dict[str, Json]:
    """Return the one JSON object in `body`; raises FlowFailed("answer")."""
    try:
        value = read_json(body, max_depth=16)
    except Faulty as faulty:
        raise FlowFailed("answer", detail=str(faulty)[:200]) from None
    if not isinstance(value, dict):
        raise FlowFailed("answer", detail="not a JSON object")
    return value


def token_answer(answer: Fetched, asked: tuple[str, ...]) -> TokenAnswer:
    """Return what a token endpoint gave (RFC 6749 section 5.1).

    `asked` are the scopes where it doesn't name any.

    Raises FlowFailed: unavailable (5xx, 429), refused (an OAuth error, also under status 200, as
    some send it), answer.
    """
    if answer.status >= 500 or answer.status == 429:
        raise FlowFailed("unavailable", detail=f"HTTP {answer.status}")
    if answer.status not in {200, 400, 401, 403}:
        raise FlowFailed("answer", detail=f"HTTP {answer.status}")
    members = read_object(answer.body)
    _raise_error(members, answer.status)
    return TokenAnswer(
        access=_required(members, "access_token"),
        refresh=_optional(members, "refresh_token"),
        id_token=_text(members, "id_token"),
        expires_in=_seconds(members.get("expires_in")),
        scopes=_scopes(members.get("scope"), asked),
        token_type=_bearer(members),
    )


def _raise_error(members: Mapping[str, Json], status: int) -> None:
    error = members.get("error")
    if error is None and status == 200:
        return
    if isinstance(error, str) and _ERROR.fullmatch(error):
        raise FlowFailed("refused", error=error)
    raise FlowFailed("answer", detail=f"HTTP {status} without an OAuth error code")


def _required(members: Mapping[str, Json], name: str) -> Secret:
    found = _optional(members, name)
    if found is None:
        raise FlowFailed("answer", detail=f"{name} is missing")
    return found


def _optional(members: Mapping[str, Json], name: str) -> Secret | None:
    """Return a credential; one that could break out of a header is refused."""
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise FlowFailed("answer", detail=f"{name} is not a credential")
    return Secret(value)


def _text(members: Mapping[str, Json], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise FlowFailed("answer", detail=f"{name} is not a string")
    return value


def _bearer(members: Mapping[str, Json]) -> str:
    """Refuse other token types: they need more than a header, which we don't do."""
    kind = members.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise FlowFailed("answer", detail="token_type is not bearer")
    return "bearer"


def _seconds(value: Json) -> float | None:
    """Return seconds; some servers send a string of digits."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise FlowFailed("answer", detail="expires_in is not a number of seconds")
    return min(float(value), _LONGEST)


def _scopes(value: Json, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Scopes stand apart by spaces; GitHub separates them by commas."""
    if value is None or value == "":
        return asked
    if not isinstance(value, str):
        raise FlowFailed("answer", detail="scope is not a string")
    return tuple(value.replace(",", " ").split())
