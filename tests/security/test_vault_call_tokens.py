"""Security decision 6, rules 62 and 63: an internal token is good for one call over its very bytes.

The verifier is the one that docs/concepts/upstream-credentials.md gives to server authors.
"""

import hashlib
import os
from dataclasses import replace
from typing import Any

import pytest

from ostiary.config.document import InternalTokenAuth
from ostiary.config.keys import KeyDocument
from ostiary.crypto.jose import TokenInvalid
from ostiary.crypto.rings import Rings
from ostiary_proxy.upstream.calls import UpstreamCall, internal_issuer, mint
from upstream_parts import ANNA, BEN, NOW, RINGS, Clock, call, config, presented, route
from verifier_parts import published

AUDIENCE = "https://up.example/mcp"
AUTH = InternalTokenAuth(audience=AUDIENCE)
GATEWAY = config().gateway


NAMES = published()


def verifier(*, rings: Rings = RINGS, clock: Clock | None = None, **changed: Any) -> Any:
    expected = {"issuer": "https://gate.example/internal", "audience": AUDIENCE, **changed}
    return NAMES["CallVerifier"](rings.internal.jwks(), clock=clock or Clock(), **expected)


def minted(one: UpstreamCall | None = None, *, auth: InternalTokenAuth = AUTH) -> str:
    one = one or call(to=route(AUTH))
    return mint(one, auth, gateway=GATEWAY, rings=RINGS, entropy=os.urandom)


def refusal(check: Any, method: str, authorization: str | None, body: bytes) -> str:
    with pytest.raises(NAMES["NotFromOstiary"]) as refused:
        check.verify(method, authorization, body)
    return str(refused.value)


BODY = call().body


def test_a_call_token_says_exactly_what_it_is_for() -> None:
    claims = verifier().verify("POST", f"Bearer {minted()}", BODY)

    jti = claims.pop("jti")
    assert len(jti) == 32
    assert claims == {
        "iss": "https://gate.example/internal",
        "aud": AUDIENCE,
        "sub": "anna",
        "client_id": "client-1",
        "act": {"sub": "client-1"},
        "route": "apps/github",
        "sid": "hashed-session",
        "txn": "record-1",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "mcp": {"method": "tools/call", "name": "read_file", "id": 7},
        "htm": "POST",
        "body_sha256": hashlib.sha256(BODY).hexdigest(),
    }


def test_a_call_token_for_a_question_of_our_own_says_so() -> None:
    one = minted(replace(call(to=route(AUTH)), system=True))

    assert verifier().verify("POST", f"Bearer {one}", BODY)["kind"] == "system"


def test_a_call_token_is_bound_to_the_bytes_and_the_method() -> None:
    bearer = f"Bearer {minted()}"

    assert refusal(verifier(), "POST", bearer, BODY + b" ") == "body"
    assert refusal(verifier(), "POST", bearer, b"") == "body"
    assert refusal(verifier(), "DELETE", bearer, BODY) == "method"


def test_a_call_token_is_taken_once() -> None:
    check, bearer = verifier(), f"Bearer {minted()}"
    check.verify("POST", bearer, BODY)

    assert refusal(check, "POST", bearer, BODY) == "replayed"


def test_a_call_token_ends_after_a_minute_and_is_forgotten_then() -> None:
    clock = Clock()
    check, bearer = verifier(clock=clock), f"Bearer {minted()}"
    check.verify("POST", bearer, BODY)
    clock.now = NOW + 60

    assert refusal(check, "POST", bearer, BODY) == "time"
    check.verify("POST", f"Bearer {minted(call(to=route(AUTH), now=NOW + 60))}", BODY)
    assert len(check.seen) == 1


def test_a_call_token_never_outlives_the_access_token_it_stands_for() -> None:
    one = call(to=route(AUTH), now=NOW + 590)

    claims = verifier(clock=Clock(NOW + 590)).verify("POST", f"Bearer {minted(one)}", BODY)

    assert claims["exp"] == presented().expires


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"audience": "https://sibling.example/mcp"}, "iss or aud"),
        ({"audience": f"{AUDIENCE}/"}, "iss or aud"),
        ({"issuer": "https://gate.example"}, "iss or aud"),
    ],
)
def test_a_call_token_is_refused_elsewhere(expected: dict[str, Any], reason: str) -> None:
    assert refusal(verifier(**expected), "POST", f"Bearer {minted()}", BODY) == reason


def test_a_token_of_another_ring_type_or_none_is_refused() -> None:
    claims = {"iss": "https://gate.example/internal", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60}
    access = RINGS.access.sign(claims)
    other = KeyDocument.generate(os.urandom).rings().internal.sign(claims)

    assert refusal(verifier(), "POST", f"Bearer {access}", BODY) == "signature"
    assert refusal(verifier(), "POST", f"Bearer {other}", BODY) == "signature"
    assert refusal(verifier(), "POST", "Basic dTpw", BODY) == "no token"
    assert refusal(verifier(), "POST", None, BODY) == "no token"
    assert refusal(verifier(), "POST", "Bearer e30.e30.", BODY) == "signature"


def test_a_token_of_another_type_under_the_same_key_is_refused() -> None:
    document = KeyDocument.generate(os.urandom)
    same = document.model_copy(update={"access": document.internal}).rings()
    claims = {"iss": "https://gate.example/internal", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60}

    bearer = f"Bearer {same.access.sign(claims)}"
    assert refusal(verifier(rings=same), "POST", bearer, BODY) == "typ"


def test_a_call_token_is_no_access_token_here() -> None:
    with pytest.raises(TokenInvalid):
        RINGS.access.verify(minted(), iss=internal_issuer(GATEWAY), aud=AUDIENCE, now=NOW)


def test_a_pairwise_subject_differs_by_person_and_by_audience() -> None:
    def subject(auth: InternalTokenAuth, one: UpstreamCall) -> object:
        bearer = f"Bearer {minted(one, auth=auth)}"
        return verifier(audience=auth.audience).verify("POST", bearer, BODY)["sub"]

    here = InternalTokenAuth(audience=AUDIENCE, pairwise_subject=True)
    there = InternalTokenAuth(audience="https://there.example", pairwise_subject=True)
    subjects = [
        subject(here, call(ANNA)),
        subject(here, call(BEN)),
        subject(there, call(ANNA)),
    ]

    assert len(set(subjects)) == 3
    assert "anna" not in subjects
    assert subject(here, call(ANNA)) == subjects[0]


def test_the_clients_token_is_nowhere_in_it() -> None:
    claims = verifier().verify("POST", f"Bearer {minted()}", BODY)

    assert "jti-1" not in repr(claims)
