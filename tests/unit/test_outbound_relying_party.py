import base64
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.relying_party import (
    Flight,
    FlowFailed,
    Metadata,
    Provider,
    TokenAnswer,
    depart,
    discover,
    is_secure,
    jwks,
    redeem,
    refresh,
    revoke,
)

ISSUER = "https://idp.example"
BACK = "https://mcp.example/callback"
PROVIDER = Provider(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize?tenant=1",
    token_endpoint=f"{ISSUER}/token",
    revocation_endpoint=f"{ISSUER}/revoke",
    client_id="us & co",
    client_secret=Secret("s:e cret"),
    scopes=("openid", "email"),
    resource="https://up.example/mcp",
)
FLIGHT = Flight(state="st", nonce=None, verifier="ver", redirect_uri=BACK, issuer=ISSUER)
GOOD = {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt"}


class Answered:
    """One canned answer; `chunks` and `close` as the protocol has them."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._body = body

    @property
    def arrived(self) -> bool:
        return True

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def body(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise OutboundFailed("too-large")
        return self._body

    async def close(self) -> None:
        return None


class Server:
    """A Transport that answers by URL and remembers what was asked."""

    def __init__(self, answers: Mapping[str, tuple[int, object]]) -> None:
        self.answers = answers
        self.seen: list[Outgoing] = []

    async def send(self, request: Outgoing) -> Exchange:
        self.seen.append(request)
        if request.url not in self.answers:
            return Answered(404, b"{}")
        status, value = self.answers[request.url]
        if isinstance(value, OutboundFailed):
            raise value
        return Answered(status, value if isinstance(value, bytes) else write_json(value))

    @property
    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(request.body.decode())) for request in self.seen]


def serving(**members: object) -> tuple[Server, HttpClient]:
    server = Server({PROVIDER.token_endpoint: (200, {**GOOD, **members})})
    return server, HttpClient(server)


def entropy(count: int) -> bytes:
    return bytes(range(count))


def test_departure_carries_pkce_s256_state_nonce_resource_and_the_endpoints_own_query() -> None:
    url, flight = depart(PROVIDER, BACK, entropy=entropy, nonce=True, extra=[("prompt", "login")])

    text = base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    assert url.split("?")[0] == f"{ISSUER}/authorize"
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["1"],
        "response_type": ["code"],
        "client_id": ["us & co"],
        "redirect_uri": [BACK],
        "scope": ["openid email"],
        "state": [text],
        "nonce": [text],
        "code_challenge": [challenge.decode()],
        "code_challenge_method": ["S256"],
        "resource": ["https://up.example/mcp"],
        "prompt": ["login"],
    }
    assert flight == Flight(state=text, nonce=text, verifier=text, redirect_uri=BACK, issuer=ISSUER)


def test_a_flight_survives_json_and_shows_no_secret() -> None:
    assert Flight.from_json(FLIGHT.to_json()) == FLIGHT
    assert "ver" not in repr(FLIGHT).replace("Flight", "")


@pytest.mark.parametrize("endpoint", ["javascript:alert(1)", "file:///etc/passwd", "https://", "x"])
def test_rule_126_only_web_addresses_are_handed_to_a_browser(endpoint: str) -> None:
    provider = Provider(
        issuer=ISSUER, authorization_endpoint=endpoint, token_endpoint="", client_id="us"
    )

    with pytest.raises(FlowFailed, match="insecure"):
        depart(provider, BACK, entropy=entropy, nonce=False)


async def test_a_code_is_exchanged_with_verifier_resource_and_basic_credentials() -> None:
    server, http = serving()

    answer = await redeem(PROVIDER, FLIGHT, [("code", "c"), ("state", "st")], http)

    assert answer == TokenAnswer(
        access=Secret("at"),
        refresh=Secret("rt"),
        id_token=None,
        expires_in=60.0,
        scopes=("openid", "email"),
        token_type="bearer",
    )
    assert server.forms == [
        {
            "grant_type": "authorization_code",
            "code": "c",
            "redirect_uri": BACK,
            "code_verifier": "ver",
            "resource": "https://up.example/mcp",
        }
    ]
    pair = base64.b64encode(b"us+%26+co:s%3Ae+cret").decode()
    assert dict(server.seen[0].headers)["authorization"] == f"Basic {pair}"


async def test_credentials_go_into_the_form_where_the_server_wants_them_there() -> None:
    server, http = serving()
    provider = Provider(
        issuer=ISSUER,
        authorization_endpoint="",
        token_endpoint=PROVIDER.token_endpoint,
        client_id="us",
        client_secret=Secret("s"),
        auth_style="InParams",
    )

    await refresh(provider, Secret("old"), http)

    assert server.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "old",
            "client_id": "us",
            "client_secret": "s",
        }
    ]
    assert "authorization" not in dict(server.seen[0].headers)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ([("code", "c"), ("state", "st"), ("state", "st")], "duplicate"),
        ([("code", "c"), ("code", "d"), ("state", "st")], "duplicate"),
        ([("code", "c")], "state"),
        ([("code", "c"), ("state", "ST")], "state"),
        ([("error", "access_denied"), ("state", "st"), ("iss", "https://evil")], "issuer"),
        ([("error", "access_denied"), ("state", "st")], "denied"),
        ([("state", "st")], "no-code"),
    ],
)
async def test_an_answer_that_does_not_hold_exchanges_nothing(
    query: list[tuple[str, str]], reason: str
) -> None:
    server, http = serving()

    with pytest.raises(FlowFailed) as failed:
        await redeem(PROVIDER, FLIGHT, query, http)

    assert failed.value.reason == reason
    assert server.seen == []


@pytest.mark.parametrize(
    ("advertised", "iss", "proceeds"),
    [
        (True, ISSUER, True),
        (True, f"{ISSUER}/", False),
        (True, None, False),
        (False, ISSUER, True),
        (False, "HTTPS://idp.example", False),
        (False, None, True),
    ],
)
async def test_rule_116_the_four_rows_of_rfc_9207_without_normalisation(
    *, advertised: bool, iss: str | None, proceeds: bool
) -> None:
    _, http = serving()
    provider = Provider(
        issuer=ISSUER,
        authorization_endpoint="",
        token_endpoint=PROVIDER.token_endpoint,
        client_id="us",
        iss_advertised=advertised,
    )
    query = [("code", "c"), ("state", "st"), *([("iss", iss)] if iss else [])]

    if proceeds:
        assert (await redeem(provider, FLIGHT, query, http)).access == Secret("at")
    else:
        with pytest.raises(FlowFailed, match="issuer"):
            await redeem(provider, FLIGHT, query, http)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": "invalid_grant"}, ("refused", "invalid_grant")),
        (200, {"error": "bad_verification_code"}, ("refused", "bad_verification_code")),
        (400, {"error": "line\nbreak"}, ("answer", None)),
        (400, {}, ("answer", None)),
        (302, {}, ("answer", None)),
        (503, b"<html>", ("unavailable", None)),
        (429, b"", ("unavailable", None)),
        (200, b"<html>", ("answer", None)),
        (200, b"[]", ("answer", None)),
        (200, {**GOOD, "token_type": "DPoP"}, ("answer", None)),
        (200, {**GOOD, "access_token": "a\r\nx-evil: 1"}, ("answer", None)),
        (200, {**GOOD, "access_token": ""}, ("answer", None)),
        (200, {**GOOD, "expires_in": -1}, ("answer", None)),
        (200, {**GOOD, "expires_in": True}, ("answer", None)),
        (200, {**GOOD, "scope": 1}, ("answer", None)),
        (200, {**GOOD, "id_token": 1}, ("answer", None)),
        (200, b" " * 70_000, ("unreachable", None)),
        (0, OutboundFailed("timeout"), ("unreachable", None)),
    ],
)
async def test_a_token_endpoint_that_misbehaves_is_told_apart(
    status: int, body: object, expected: tuple[str, str | None]
) -> None:
    http = HttpClient(Server({PROVIDER.token_endpoint: (status, body)}))

    with pytest.raises(FlowFailed) as failed:
        await refresh(PROVIDER, Secret("rt"), http)

    assert (failed.value.reason, failed.value.error) == expected
    assert failed.value.transient is (expected[0] in {"unreachable", "unavailable"})


async def test_scopes_may_be_separated_by_commas_and_seconds_be_digits() -> None:
    _, http = serving(scope="repo,read:user", expires_in="28800", refresh_token=None)

    answer = await refresh(PROVIDER, Secret("rt"), http)

    assert (answer.scopes, answer.expires_in, answer.refresh) == (
        ("repo", "read:user"),
        28800.0,
        None,
    )


async def test_oauth_never_travels_in_clear_but_to_loopback_in_development() -> None:
    provider = Provider(
        issuer="http://127.0.0.1:1",
        authorization_endpoint="",
        token_endpoint="http://127.0.0.1:1/token",
        client_id="us",
    )
    server = Server({provider.token_endpoint: (200, GOOD)})

    with pytest.raises(FlowFailed, match="insecure"):
        await refresh(provider, Secret("rt"), HttpClient(server))
    assert server.seen == []
    assert await refresh(provider, Secret("rt"), HttpClient(server, allow_loopback=True))


@pytest.mark.parametrize(
    ("url", "production", "development"),
    [
        ("https://idp.example/x", True, True),
        ("http://idp.example/x", False, False),
        ("http://127.0.0.1:9/x", False, True),
        ("http://[::1]/x", False, True),
        ("http://localhost/x", False, True),
        ("http://localhost.evil.example/x", False, False),
        ("http://127.0.0.1.evil.example/x", False, False),
        ("https://user@idp.example/", False, False),
        ("https://idp.example/#f", False, False),
        ("ftp://127.0.0.1/", False, False),
        ("", False, False),
    ],
)
def test_what_counts_as_secure(url: str, *, production: bool, development: bool) -> None:
    assert is_secure(url, allow_loopback=False) is production
    assert is_secure(url, allow_loopback=True) is development


async def test_revocation_says_whether_the_server_did_it() -> None:
    server = Server({PROVIDER.revocation_endpoint or "": (200, b"")})

    assert await revoke(PROVIDER, Secret("rt"), HttpClient(server), hint="refresh_token") is True
    assert server.forms[0]["token"] == "rt"
    assert await revoke(PROVIDER, Secret("rt"), HttpClient(Server({})), hint="x") is False


def document(**members: object) -> dict[str, object]:
    return {
        "issuer": f"{ISSUER}/t",
        "authorization_endpoint": f"{ISSUER}/a",
        "token_endpoint": f"{ISSUER}/token",
        "code_challenge_methods_supported": ["S256"],
        **members,
    }


APPENDED = f"{ISSUER}/t/.well-known/openid-configuration"
OAUTH = f"{ISSUER}/.well-known/oauth-authorization-server/t"
INSERTED = f"{ISSUER}/.well-known/openid-configuration/t"


@pytest.mark.parametrize(
    ("openid", "order"),
    [(True, [APPENDED, OAUTH, INSERTED]), (False, [OAUTH, INSERTED, APPENDED])],
)
async def test_rule_111_the_places_of_metadata_are_tried_in_order(
    *, openid: bool, order: Sequence[str]
) -> None:
    server = Server({order[2]: (200, document(token_endpoint_auth_methods_supported=["none"]))})

    found = await discover(f"{ISSUER}/t", HttpClient(server), openid=openid)

    assert [request.url for request in server.seen] == order
    assert found == Metadata(
        issuer=f"{ISSUER}/t",
        authorization_endpoint=f"{ISSUER}/a",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=None,
        registration_endpoint=None,
        revocation_endpoint=None,
        iss_advertised=False,
        auth_methods=("none",),
        scopes=(),
        id_token_algorithms=(),
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ((200, document(issuer=ISSUER)), "issuer"),
        ((200, document(issuer=f"{ISSUER}/T")), "issuer"),
        ((200, document(code_challenge_methods_supported=["plain"])), "metadata"),
        ((200, document(code_challenge_methods_supported=None)), "metadata"),
        ((200, document(token_endpoint="http://169.254.169.254/")), "insecure"),
        ((200, document(jwks_uri="http://10.0.0.1/")), "insecure"),
        ((200, document(token_endpoint=None)), "metadata"),
        ((200, b"<html>"), "answer"),
        ((500, b""), "unavailable"),
        ((0, OutboundFailed("dns")), "unreachable"),
        ((302, b""), "metadata"),
    ],
)
async def test_metadata_that_does_not_hold_is_refused(
    value: tuple[int, object], reason: str
) -> None:
    server = Server({OAUTH: value})

    with pytest.raises(FlowFailed) as failed:
        await discover(f"{ISSUER}/t", HttpClient(server), openid=False)

    assert failed.value.reason == reason


async def test_an_openid_provider_may_leave_the_pkce_member_out_but_not_lack_s256() -> None:
    silent = document(code_challenge_methods_supported=None)
    plain = document(code_challenge_methods_supported=["plain"])

    assert await discover(f"{ISSUER}/t", HttpClient(Server({APPENDED: (200, silent)})))
    with pytest.raises(FlowFailed, match="S256"):
        await discover(f"{ISSUER}/t", HttpClient(Server({APPENDED: (200, plain)})))


async def test_a_key_set_is_an_object_with_keys() -> None:
    uri = f"{ISSUER}/jwks"

    assert await jwks(uri, HttpClient(Server({uri: (200, {"keys": []})}))) == {"keys": []}
    with pytest.raises(FlowFailed, match="JWK"):
        await jwks(uri, HttpClient(Server({uri: (200, {"keys": {}})})))
    with pytest.raises(FlowFailed, match="unavailable"):
        await jwks(uri, HttpClient(Server({uri: (502, b"")})))
