"""Access tokens that are not ours, not for here or not for now, at a running gateway."""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway_parts import Gateway, ask
from hostile_parts import RawServer, call, refusal
from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"


def rings(gateway: Gateway) -> Rings:
    (file,) = gateway.keys.glob("*.json")
    return validate(KeyDocument, read_json(file.read_bytes())).rings()


def changed(gateway: Gateway, issued: str, **claims: Any) -> str:
    """Return the token with other claims, signed by the gateway's own key."""
    return rings(gateway).access.sign({**claims_of(issued), **claims})


def claims_of(issued: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(issued.split(".")[1] + "=="))
    return found


def encoded(part: bytes | dict[str, Any]) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expired(gateway: Gateway, issued: str) -> str:
    past = int(time.time()) - 700  # noqa: TID251 - the gateway has the real clock
    return changed(gateway, issued, iat=past, exp=past + 600)


def forged(_: Gateway, issued: str) -> str:
    return KeyDocument.generate(os.urandom).rings().access.sign(claims_of(issued))


def other_audience(gateway: Gateway, issued: str) -> str:
    return changed(gateway, issued, aud=f"{claims_of(issued)['aud']}/")


def other_issuer(gateway: Gateway, issued: str) -> str:
    return changed(gateway, issued, iss="https://login.example.com")


def without_algorithm(_: Gateway, issued: str) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'at+jwt'})}.{issued.split('.')[1]}."


def with_the_public_key_as_secret(gateway: Gateway, issued: str) -> str:
    keys = ask(f"{gateway.issuer}/.well-known/jwks.json", headers={}).json()["keys"]
    header = {"alg": "HS256", "typ": "at+jwt", "kid": keys[0]["kid"]}
    signed = f"{encoded(header)}.{issued.split('.')[1]}"
    mac = hmac.new(json.dumps(keys[0]).encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encoded(mac)}"


def for_an_upstream(gateway: Gateway, issued: str) -> str:
    return rings(gateway).internal.sign(claims_of(issued))


def cut_off(_: Gateway, issued: str) -> str:
    return issued[:-1]


@pytest.mark.parametrize(
    "bad",
    [
        expired, forged, other_audience, other_issuer, without_algorithm,
        with_the_public_key_as_secret, for_an_upstream, cut_off,
    ],
)  # fmt: skip
def test_a_token_that_does_not_hold_is_challenged_and_recorded(
    gateway: Gateway, upstream: RawServer, issued: str, bad: Callable[[Gateway, str], str]
) -> None:
    upstream.bodies.clear()

    answer = call(gateway, bad(gateway, issued))

    assert (answer.status, answer.json()["error"]["code"]) == (401, -31002)
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert (refusal(gateway, answer)["kind"], upstream.bodies) == ("refusal", [])
    assert "result" in call(gateway, issued).json()


def test_a_token_that_is_signed_by_the_gateway_and_changed_in_nothing_passes(
    gateway: Gateway, issued: str
) -> None:
    assert "result" in call(gateway, changed(gateway, issued)).json()
