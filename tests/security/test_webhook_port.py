"""Whoever reaches the webhook's port, and sends it whatever, costs little and learns nothing."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from operator_parts import policy, route
from ostiary_operator.certificates import Certified, SecretData, renew_authority, renew_server
from ostiary_operator.tls import show
from ostiary_operator.webhook_port import LIVE, REVIEW, WebhookPort

HOST = "localhost"
NOW = datetime.now(UTC).timestamp()
AUTHORITY = renew_authority({}, "ostiary webhook", NOW)
JSON = {"content-type": "application/json"}


def pair(authority: SecretData = AUTHORITY) -> Certified:
    data = renew_server({}, authority, HOST, NOW)
    return Certified(certificate=data["tls.crt"].reveal(), key=data["tls.key"])


def trusting(authority: SecretData) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority["ca.crt"].reveal())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def review(body: object, uid: str = "7f3a") -> bytes:
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**head, "request": {"uid": uid, "object": body}}).encode()


@dataclass
class Port:
    number: int
    context: ssl.SSLContext
    verdicts: Counter[str]

    async def post(
        self,
        body: bytes,
        *,
        path: str = REVIEW,
        headers: Mapping[str, str] = JSON,
        authority: SecretData = AUTHORITY,
    ) -> tuple[int, str]:
        connector = aiohttp.TCPConnector(ssl=trusting(authority))
        url = f"https://{HOST}:{self.number}{path}"
        async with (
            aiohttp.ClientSession(  # noqa: TID251 - it stands for the API server
                connector=connector
            ) as session,
            session.post(url, data=body, headers=headers) as said,
        ):
            return said.status, await said.text()


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show(context, pair())
    verdicts: Counter[str] = Counter()
    webhook = WebhookPort(lambda verdict: verdicts.update([verdict]))
    runner = web.ServerRunner(web.Server(webhook, auto_decompress=False), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
    yield Port(runner.addresses[0][1], context, verdicts)
    await runner.cleanup()
    webhook.close()


async def test_each_review_is_answered_under_its_own_uid(port: Port) -> None:
    bodies = [review(route(f"r{at}"), uid=f"uid-{at}") for at in range(20)]

    answers = await asyncio.gather(*map(port.post, bodies))

    uids = [json.loads(text)["response"]["uid"] for _, text in answers]
    assert uids == [f"uid-{at}" for at in range(20)]


@pytest.mark.parametrize(
    ("body", "headers", "path", "status"),
    [
        (review(route()), {"content-type": "text/plain"}, REVIEW, 415),
        (review(route()), {**JSON, "content-encoding": "gzip"}, REVIEW, 200),
        (b"\x1f\x8b\x08\x00garbage", {**JSON, "content-encoding": "gzip"}, REVIEW, 400),
        (b"{}", JSON, REVIEW, 400),
        (b"[" * 100_000, JSON, REVIEW, 400),
        (b" " * (8 * 1024 * 1024 + 1), JSON, REVIEW, 413),
        (review(route()), JSON, "/convert", 404),
        (review(route()), JSON, LIVE, 404),
    ],
)
async def test_what_is_no_review_is_refused(
    port: Port, body: bytes, headers: dict[str, str], path: str, status: int
) -> None:
    assert (await port.post(body, headers=headers, path=path))[0] == status


async def test_every_review_is_counted_by_how_it_ended(port: Port) -> None:
    for body in (review(route()), review(route("r", {"to": "no"})), b"{}", b"[" * 100_000):
        await port.post(body)
    await port.post(b"{}", path="/convert")

    assert port.verdicts == {"allowed": 1, "refused": 1, "misread": 2}


async def test_a_fault_is_told_without_what_the_request_held(port: Port) -> None:
    status, text = await port.post(review("hunter2").replace(b"7f3a", b"x" * 200))

    assert status == 400
    assert text.startswith("not an AdmissionReview: request.uid: ")
    assert "hunter2" not in text


async def test_an_object_as_large_as_can_be_is_judged(port: Port) -> None:
    big = policy("big")
    rule = {"name": "r", "effect": "Allow", "who": {"groups": ["g" * 100] * 64}}
    big["spec"]["rules"] = [{**rule, "name": f"r{at}"} for at in range(64)]
    big["metadata"]["annotations"] = {"notes": "x" * 3_000_000}

    status, text = await port.post(review(big))

    assert (status, json.loads(text)["response"]["allowed"]) == (200, True)


async def test_slow_clients_are_let_go_and_others_answered_then(port: Port) -> None:
    head = f"POST {REVIEW} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
    slow = []
    for _ in range(30):  # more than have room
        opened = await asyncio.open_connection(HOST, port.number, ssl=trusting(AUTHORITY))
        opened[1].write(head + b"content-length: 1000\r\n\r\n{")
        slow.append(opened)

    async with asyncio.timeout(20):
        said = [await reader.readline() for reader, _ in slow]

    assert said == [b"HTTP/1.1 503 Service Unavailable\r\n"] * len(slow)
    assert (await port.post(review(route())))[0] == 200
    assert port.verdicts == {"late": len(slow), "allowed": 1}
    for _, writer in slow:
        writer.close()


async def test_a_new_certificate_is_shown_without_a_new_start(port: Port) -> None:
    other = renew_authority({}, "ostiary webhook", NOW)
    show(port.context, pair(other))

    assert (await port.post(review(route()), authority=other))[0] == 200
