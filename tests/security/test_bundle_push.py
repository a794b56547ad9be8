"""A bundle holds every credential of a gateway: it leaves for its own proxies only."""

import base64
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from fleet_parts import (
    NOW,
    OWNER,
    Certificates,
    SimulatedProxy,
    parcel,
    server_context,
    simulated,
)
from ostiary.crypto.seal import SealRing
from ostiary_operator.asking import AdminClient, NoAnswer
from ostiary_operator.certificates import operator_pair, renew_server

NAME = f"{OWNER.uid}.proxy.ostiary.internal"
OURS = Certificates.of()
STRANGER = Certificates.of()
OPERATOR = operator_pair(OURS.authority, NOW)
AS_OPERATOR = {**OURS.admin, "tls.key": OPERATOR.key}
AS_OPERATOR["tls.crt"] = type(OPERATOR.key)(OPERATOR.certificate)
IMPOSTORS = {
    "another gateway's proxy": renew_server(
        {}, OURS.authority, "another.proxy.ostiary.internal", NOW
    ),
    "a certificate of another authority": STRANGER.admin,
    "the operator's own certificate": AS_OPERATOR,
    "an expired certificate": renew_server({}, OURS.authority, NAME, NOW - 91 * 86400),
}


async def push(port: int) -> None:
    client = AdminClient(OURS.trust, NAME, port=port)
    try:
        await client.push("127.0.0.1", parcel(4).data)
    finally:
        await client.close()


@pytest.mark.parametrize("name", IMPOSTORS)
async def test_no_bundle_leaves_for_an_impostor(name: str, tmp_path: Path) -> None:
    files = {file: value.reveal().encode() for file, value in IMPOSTORS[name].items()}
    impostor = SimulatedProxy()
    async with simulated(impostor, server_context(files, tmp_path)) as port:
        with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED"):
            await push(port)

    assert impostor.asked == []


async def test_no_bundle_leaves_without_tls_or_with_an_old_version(tmp_path: Path) -> None:
    impostor = SimulatedProxy()
    old = OURS.server(tmp_path)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    for context in (None, old):
        async with simulated(impostor, context) as port:
            with pytest.raises(NoAnswer):
                await push(port)

    assert impostor.asked == []


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async def elsewhere(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=307, headers={"Location": "https://127.0.0.1:1/bundle"})

    async with simulated(elsewhere, OURS.server(tmp_path)) as port:
        with pytest.raises(NoAnswer, match="HTTP 307"):
            await push(port)


async def test_an_answer_without_end_is_cut(tmp_path: Path) -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with simulated(endless, OURS.server(tmp_path)) as port:
        with pytest.raises(NoAnswer, match="more than 4194304 bytes"):
            await push(port)


@pytest.mark.parametrize(
    "said",
    ["", "[]", '{"revision": -1, "digest": ""}', '{"revision": 1, "revision": 9, "digest": ""}'],
    ids=["nothing", "a list", "below zero", "twice"],
)
async def test_an_answer_that_makes_no_sense_acknowledges_nothing(
    said: str, tmp_path: Path
) -> None:
    async def garble(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(text=said)

    async with simulated(garble, OURS.server(tmp_path)) as port:
        with pytest.raises(NoAnswer, match="makes no sense"):
            await push(port)


def test_what_the_operator_holds_shows_no_secret() -> None:
    seal = SealRing([bytes(32)])
    secret = OWNER.secret("s", {"key": b"top secret"}, seal)
    shown = repr([OURS, replace(parcel(4), data=b"top secret"), secret])

    assert "PRIVATE KEY" not in shown
    assert "top secret" not in shown
    assert base64.b64encode(b"top secret").decode() not in shown
