"""The pretend GitHub without sockets: people, codes, tokens that rotate, repositories.

It is an OAuth server as services are, not as Ostiary would write one: PKCE is optional, errors come
with status 200, and a refresh token that is used twice ends the whole connection.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary.crypto.base64url import s256

__all__ = ["Asked", "Connection", "Hub", "OAuthFault", "TokenPair"]

_CODE_TTL: Final = 60.0


class OAuthFault(Exception):  # noqa: N818 - a statement
    """The token endpoint's refusal: an OAuth error code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An authorization request whose client and redirect URI are known."""

    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    challenge: str


@dataclass(slots=True, kw_only=True)
class Connection:
    """What one person gave the client: at most one live pair of tokens."""

    login: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What the token endpoint gives; `expires_in` is in seconds."""

    access: str
    refresh: str
    expires_in: float
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    asked: Asked
    login: str
    expires: float


@dataclass(slots=True, kw_only=True)
class Hub:
    """All state in memory. `random` gives unguessable text, `issued` is told every token."""

    people: Mapping[str, str]
    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    clock: Callable[[], float]
    random: Callable[[], str]
    issued: Callable[[str], None]
    access_ttl: float = 30.0
    repositories: dict[str, dict[str, str]] = field(default_factory=dict)
    issues: list[tuple[str, str, str]] = field(default_factory=list)
    _sessions: dict[str, str] = field(default_factory=dict)
    _codes: dict[str, _Code] = field(default_factory=dict)
    _access: dict[str, tuple[Connection, float]] = field(default_factory=dict)
    _refresh: dict[str, Connection] = field(default_factory=dict)
    _spent: dict[str, Connection] = field(default_factory=dict)

    def log_in(self, username: str, password: str) -> str | None:
        """Return a new browser session, or None for a wrong name or password."""
        expected = self.people.get(username)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            return None
        session = self.random()
        self._sessions[session] = username
        return session

    def person(self, session: str | None) -> str | None:
        """Return who is logged in."""
        return self._sessions.get(session or "")

    def asked(self, query: Mapping[str, str]) -> Asked | None:
        """Return the authorization request, None where nobody may be redirected anywhere."""
        known = query.get("client_id") == self.client_id
        if not known or query.get("redirect_uri") not in self.redirect_uris:
            return None
        plain = query.get("code_challenge") and query.get("code_challenge_method") != "S256"
        if plain or query.get("response_type", "code") != "code":
            return None
        return Asked(
            redirect_uri=query["redirect_uri"],
            state=query.get("state", ""),
            scopes=tuple(query.get("scope", "").split()),
            challenge=query.get("code_challenge", ""),
        )

    def code(self, asked: Asked, login: str) -> str:
        """Return a code for what `login` approved."""
        code = self.random()
        self._codes[code] = _Code(asked=asked, login=login, expires=self.clock() + _CODE_TTL)
        return code

    def exchange(self, form: Mapping[str, str], client: tuple[str, str]) -> TokenPair:
        """Answer the token endpoint for a `client` of (id, secret); raises OAuthFault."""
        self._authenticate(client)
        if form.get("grant_type", "authorization_code") == "refresh_token":
            return self._rotate(form.get("refresh_token", ""))
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires <= self.clock():
            raise OAuthFault("bad_verification_code")
        if form.get("redirect_uri") != code.asked.redirect_uri:
            raise OAuthFault("redirect_uri_mismatch")
        if code.asked.challenge and code.asked.challenge != s256(form.get("code_verifier", "")):
            raise OAuthFault("bad_verification_code")
        return self._pair(Connection(login=code.login, scopes=code.asked.scopes))

    def revoke(self, token: str, client: tuple[str, str]) -> None:
        """End the connection that `token` belongs to; raises OAuthFault for another client."""
        self._authenticate(client)
        held = self._access.get(token)
        connection = held[0] if held else self._refresh.get(token)
        if connection is not None:
            self._end(connection)

    def bearer(self, authorization: str | None) -> Connection | None:
        """Return whose live access token `authorization` carries."""
        scheme, _, token = (authorization or "").partition(" ")
        connection, expires = self._access.get(token, (None, 0.0))
        return connection if scheme.lower() == "bearer" and expires > self.clock() else None

    def _authenticate(self, client: tuple[str, str]) -> None:
        secret = hmac.compare_digest(client[1].encode(), self.client_secret.encode())
        if client[0] != self.client_id or not secret:
            raise OAuthFault("incorrect_client_credentials")

    def _rotate(self, token: str) -> TokenPair:
        if token in self._spent:
            # Somebody has a copy: nobody keeps anything.
            self._end(self._spent[token])
        connection = self._refresh.pop(token, None)
        if connection is None:
            raise OAuthFault("bad_refresh_token")
        self._spent[token] = connection
        return self._pair(connection)

    def _pair(self, connection: Connection) -> TokenPair:
        self._forget_access(connection)
        pair = TokenPair(
            access=f"ghu_{self.random()}",
            refresh=f"ghr_{self.random()}",
            expires_in=self.access_ttl,
            scopes=connection.scopes,
        )
        self._access[pair.access] = (connection, self.clock() + pair.expires_in)
        self._refresh[pair.refresh] = connection
        self.issued(pair.access)
        self.issued(pair.refresh)
        return pair

    def _end(self, connection: Connection) -> None:
        self._forget_access(connection)
        for token in [key for key, held in self._refresh.items() if held is connection]:
            del self._refresh[token]

    def _forget_access(self, connection: Connection) -> None:
        for token in [key for key, held in self._access.items() if held[0] is connection]:
            del self._access[token]
