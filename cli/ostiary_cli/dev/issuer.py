"""What the development identity provider says and believes, without sockets.

OpenID Connect's code flow with PKCE: one confidential client, exact redirect URIs, S256 always,
codes that work once. Nothing here is meant for people who do not sit at this machine.
"""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

from ostiary.crypto.base64url import base64url, s256
from ostiary.crypto.jose import SigningRing
from ostiary.crypto.seal import Entropy, SealBroken, SealRing
from ostiary.crypto.secret import Secret
from ostiary_cli.dev.people import DevPerson, People

__all__ = [
    "Asked", "Client", "Declined", "Issuer", "Login", "PageFault", "TokenFault", "read_asked",
    "redirect_back",
]  # fmt: skip

CODE_TTL: Final = 60.0
TOKEN_TTL: Final = 600.0
LOGIN_TTL: Final = 12 * 3600.0
SCOPES: Final = ("openid", "profile", "email", "groups")
_MAX_CODES: Final = 10_000


class PageFault(Exception):  # noqa: N818 - reads as a statement
    """The request can't be trusted enough to redirect anywhere; the text is for a page."""


class Declined(Exception):  # noqa: N818 - reads as a statement
    """The client gets an error at its redirect URI: an OAuth error code and a description."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(f"{error}: {description}")


class TokenFault(Declined):
    """The token endpoint's or userinfo's refusal, with its HTTP status."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(error, description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The one client: Ostiary."""

    id: str
    secret: Secret
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A checked authorization request. `max_age` is in seconds."""

    redirect_uri: str
    state: str | None
    nonce: str | None
    challenge: str
    scopes: tuple[str, ...]
    prompts: frozenset[str]
    max_age: float | None

    def wants_fresh(self, login: "Login", now: float) -> bool:
        """Say whether the person must log in again although the browser remembers them."""
        stale = self.max_age is not None and now - login.auth_time > self.max_age
        return stale or bool(self.prompts & {"login", "select_account"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A person who logged in, and when (epoch seconds)."""

    person: DevPerson
    auth_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    asked: Asked
    login: Login
    expires: float


def read_asked(parameters: Sequence[tuple[str, str]], client: Client) -> Asked:
    """Return the authorization request in `parameters`.

    Raises PageFault where client or redirect URI are not known for sure, Declined where the rest is
    wrong.
    """
    named = dict(parameters)
    if len(named) != len(parameters):
        # Before anything else: which of two redirect addresses counts is nobody's to guess.
        raise PageFault("A parameter of the request stands twice.")
    if named.get("client_id") != client.id:
        raise PageFault("No client of that id is registered here.")
    if named.get("redirect_uri") not in client.redirect_uris:
        raise PageFault("That redirect address is not registered for this client.")
    if named.get("response_type") != "code":
        raise Declined("unsupported_response_type", "only response_type=code is served")
    if named.get("code_challenge_method") != "S256" or len(named.get("code_challenge", "")) != 43:
        raise Declined("invalid_request", "PKCE with S256 is required")
    scopes = tuple(named.get("scope", "").split())
    if "openid" not in scopes:
        raise Declined("invalid_scope", "the scope openid is required")
    return Asked(
        redirect_uri=named["redirect_uri"],
        state=named.get("state"),
        nonce=named.get("nonce"),
        challenge=named["code_challenge"],
        scopes=tuple(scope for scope in scopes if scope in SCOPES),
        prompts=frozenset(named.get("prompt", "").split()),
        max_age=_max_age(named.get("max_age")),
    )


def redirect_back(redirect_uri: str, state: str | None, answer: Mapping[str, str]) -> str:
    """Return the client's redirect URI with `answer` and the state it gave."""
    query = dict(answer) | ({"state": state} if state is not None else {})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(query)}"


def _max_age(text: str | None) -> float | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Declined("invalid_request", "max_age must be a number of seconds")
    return float(text)


@dataclass(slots=True, kw_only=True)
class Issuer:
    """The provider: its keys, its client, its people and the codes in flight.

    `url` is the issuer without a trailing slash; `signing` signs ID tokens (typ JWT), `seal` seals
    login cookies and access tokens, so that both outlive a restart.
    """

    url: str
    client: Client
    people: People
    signing: SigningRing
    seal: SealRing
    entropy: Entropy
    _codes: dict[str, _Code] = field(default_factory=dict)

    def discovery(self) -> dict[str, Any]:
        """Return the OpenID Provider metadata."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(SCOPES),
            "claims_supported": [
                "sub", "name", "preferred_username", "email", "email_verified", "groups",
                "auth_time", "amr",
            ],
            "prompt_values_supported": ["none", "login", "select_account"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip

    def remember(self, login: Login) -> str:
        """Return the cookie value that remembers `login`; it dies with the person's password."""
        stays = {
            "username": login.person.username,
            "password": self._password_hash(login.person),
            "auth_time": login.auth_time,
        }
        return self._seal("login", stays)

    def recall(self, cookie: str | None, now: float) -> Login | None:
        """Return the login that a cookie value remembers, if it still holds."""
        stays = self._unseal("login", cookie)
        person = self.people.find(stays["username"]) if stays else None
        if stays is None or person is None or now > stays["auth_time"] + LOGIN_TTL:
            return None
        if not hmac.compare_digest(stays["password"], self._password_hash(person)):
            return None
        return Login(person=person, auth_time=stays["auth_time"])

    def answer(self, asked: Asked, login: Login, now: float) -> str:
        """Return the redirect back to the client with a fresh code."""
        self._codes = {key: code for key, code in self._codes.items() if code.expires > now}
        if len(self._codes) >= _MAX_CODES:
            raise Declined("temporarily_unavailable", "too many logins at once")
        code = base64url(self.entropy(32))
        self._codes[code] = _Code(asked=asked, login=login, expires=now + CODE_TTL)
        return redirect_back(asked.redirect_uri, asked.state, {"code": code, "iss": self.url})

    def redeem(
        self, form: Sequence[tuple[str, str]], authorization: str | None, now: float
    ) -> dict[str, Any]:
        """Return the token response for the form of a token request; raises TokenFault."""
        named = dict(form)
        if len(named) != len(form):
            raise TokenFault("invalid_request", "a parameter stands twice")
        self._authenticate(named, authorization)
        if named.get("grant_type") != "authorization_code":
            raise TokenFault("unsupported_grant_type", "only authorization_code is served")
        code = self._codes.pop(named.get("code", ""), None)
        if code is None or code.expires <= now:
            raise TokenFault("invalid_grant", "the code is unknown, used or expired")
        if named.get("redirect_uri") != code.asked.redirect_uri:
            raise TokenFault("invalid_grant", "redirect_uri differs from the authorization request")
        if s256(named.get("code_verifier", "")) != code.asked.challenge:
            raise TokenFault("invalid_grant", "code_verifier does not match")
        return self._tokens(code, now)

    def userinfo(self, authorization: str | None, now: float) -> dict[str, object]:
        """Return the claims of the person behind a bearer token; raises TokenFault."""
        scheme, _, presented = (authorization or "").partition(" ")
        stays = self._unseal("access", presented) if scheme.lower() == "bearer" else None
        person = self.people.find(stays["username"]) if stays else None
        if stays is None or person is None or now > stays["expires"]:
            raise TokenFault("invalid_token", "the access token is not valid here", status=401)
        return person.claims()

    def _authenticate(self, named: Mapping[str, str], authorization: str | None) -> None:
        given = (named.get("client_id", ""), named.get("client_secret", ""))
        if authorization is not None:
            given = _basic(authorization)
        right = hmac.compare_digest(given[0].encode(), self.client.id.encode())
        right &= hmac.compare_digest(given[1].encode(), self.client.secret.reveal().encode())
        if not right:
            raise TokenFault("invalid_client", "client id or secret is wrong", status=401)

    def _tokens(self, code: _Code, now: float) -> dict[str, Any]:
        login = code.login
        nonce = {"nonce": code.asked.nonce} if code.asked.nonce is not None else {}
        claims = {
            **login.person.claims(),
            **nonce,
            "iss": self.url,
            "aud": self.client.id,
            "iat": int(now),
            "exp": int(now + TOKEN_TTL),
            "auth_time": int(login.auth_time),
            "amr": ["pwd"],
        }
        access = {"username": login.person.username, "expires": now + TOKEN_TTL}
        return {
            "access_token": self._seal("access", access),
            "token_type": "Bearer",
            "expires_in": int(TOKEN_TTL),
            "id_token": self.signing.sign(claims),
            "scope": " ".join(code.asked.scopes),
        }

    def _password_hash(self, person: DevPerson) -> str:
        value = f"{person.username}\0{person.password.reveal()}"
        return self.seal.keyed_hash("dev password", value)

    def _seal(self, use: str, value: Mapping[str, object]) -> str:
        plain = json.dumps(value).encode()
        sealed = self.seal.seal(plain, aad=self._aad(use), entropy=self.entropy)
        return base64url(sealed)

    def _unseal(self, use: str, text: str | None) -> dict[str, Any] | None:
        if not text:
            return None
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            opened: dict[str, Any] = json.loads(self.seal.open(sealed, aad=self._aad(use)))
        except (SealBroken, ValueError):
            return None
        return opened

    def _aad(self, use: str) -> bytes:
        return f"ostiary dev {use}\0{self.url}".encode()


def _basic(authorization: str) -> tuple[str, str]:
    """Return id and secret of a Basic header, form-decoded (RFC 6749 2.3.1), or empty ones."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return "", ""
    name, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
