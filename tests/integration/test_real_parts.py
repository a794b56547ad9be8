"""The parts that we did not write work as the tests that rest on them expect."""

import asyncio
import os
import socket
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ostiary.config.document import UpstreamsRule
from ostiary.crypto.jose import verify_foreign
from ostiary.crypto.secret import Secret
from ostiary_cli.headless import Headless
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.relying_party import depart, discover, jwks, redeem
from ostiary_proxy.outbound.transport import PooledTransport
from real_parts import conformance, everything_server, oidc_provider

BACK = "http://127.0.0.1:1/login/callback"


async def test_our_relying_party_logs_in_at_a_provider_that_we_did_not_write(
    tmp_path: Path,
) -> None:
    guard = Guard.of(UpstreamsRule(), allow_loopback=True, environ={})
    transport = PooledTransport(guard)
    http = HttpClient(transport, allow_loopback=True)
    with oidc_provider(tmp_path, [BACK]) as op:
        metadata = await discover(op.issuer, http)
        provider = metadata.provider(
            client_id=op.client_id,
            client_secret=Secret(op.client_secret),
            scopes=("openid", "email", "profile", "groups"),
        )
        away, flight = depart(provider, BACK, entropy=os.urandom, nonce=True)
        fields = {"login": "alice", "password": "any"}
        end = await asyncio.to_thread(Headless().walk, away, fields=fields, until=BACK)
        tokens = await redeem(provider, flight, parse_qsl(urlsplit(end).query), http)
        assert tokens.id_token is not None
        assert metadata.jwks_uri is not None
        claims = verify_foreign(
            tokens.id_token,
            await jwks(metadata.jwks_uri, http),
            algorithms=("RS256", "ES256"),
            iss=op.issuer,
            aud=op.client_id,
            now=time.time(),  # noqa: TID251 - the provider has the real clock
        )
    await transport.close()

    shown = {name: claims[name] for name in ("sub", "email", "email_verified", "groups")}
    assert shown == {
        "sub": "alice",
        "email": "alice@example.com",
        "email_verified": True,
        "groups": ["engineering"],
    }
    assert claims["nonce"] == flight.nonce


def test_the_conformance_suite_passes_straight_at_the_sdks_server(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with everything_server(tmp_path, port) as url:
        counts = conformance(
            url, tmp_path / "out", "--suite", "all", "--spec-version", "2025-06-18"
        )

    assert (counts.passed, counts.failed, counts.exit_code) == (56, 0, 0), counts.output
