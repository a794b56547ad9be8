"""Rules 2, 60 to 64, 69, 70, 73, trust rules 1 to 3: who asks, what of a credential crosses."""

import pytest

from mcp_parts import (
    CREDENTIAL,
    ORIGIN,
    PATH,
    body,
    header,
    json_answer,
    presented,
    request,
    result,
    world,
)
from ostiary.config.document import Backend, Upstream
from ostiary_proxy.pipeline.live import LiveRoute

METADATA = f"{ORIGIN}/.well-known/oauth-protected-resource{PATH}"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT"])
async def test_no_token_is_401_before_anything_else_is_said(method):
    w = world()
    headers = (("mcp-session-id", await w.session()), ("mcp-protocol-version", "2026-07-28"))
    w.upstream.sent.clear()

    answer = await w.send(b"garbage", method=method, token=None, headers=headers)

    challenge = header(answer, "www-authenticate")
    assert answer.status == 401
    assert f'resource_metadata="{METADATA}"' in challenge
    assert "error=" not in challenge
    assert w.upstream.sent == []
    assert w.log.words()[2:] == [("refusal", "deny")]


async def test_a_bad_token_is_401_with_the_error_that_clients_act_on():
    answer = await world().send(request("ping"), token="mallory")

    assert answer.status == 401
    assert 'error="invalid_token"' in header(answer, "www-authenticate")


@pytest.mark.parametrize("token", ["alice", None])
async def test_a_token_in_the_query_is_never_taken(token):
    w = world()

    answer = await w.send(request("ping"), token=token, query="access_token=alice")

    assert (answer.status, w.upstream.sent) == (401, [])
    assert "alice" not in str([dict(record.facts) for record in w.log.records])


async def test_a_token_of_another_route_is_401():
    w = world()
    w.doors.grants["alice"] = presented("alice", route="team/other")

    assert (await w.send(request("ping"))).status == 401


@pytest.mark.parametrize("scheme", ["Basic alice", "alice", "Bearer", "Bearer \xe9"])
async def test_only_a_bearer_token_is_read(scheme):
    answer = await world().send(request("ping"), token=None, headers=(("authorization", scheme),))

    assert answer.status == 401


async def test_two_authorization_headers_are_refused():
    w = world()

    answer = await w.send(request("ping"), headers=(("authorization", "Bearer bob"),))

    assert (answer.status, w.upstream.sent) == (400, [])


async def test_an_unknown_path_is_404_and_paths_match_raw():
    w = world()

    for path in (PATH + "/", PATH.upper(), "/team//files", "/team/./files", "/team%2ffiles"):
        answer = await w.send(request("ping"), path=path)
        assert (answer.status, header(answer, "www-authenticate")) == (404, None)


async def test_the_clients_token_appears_nowhere_upstream_and_upstreams_nowhere_here():
    w = world(lambda _: json_answer(result({}), www_authenticate=f"Bearer {CREDENTIAL}"))

    answer = await w.modern("tools/call", {"name": "a"}, meta={"x/y": 1})

    sent = w.upstream.sent[0]
    assert "alice" not in f"{sent.url} {sent.headers} {sent.body!r}"
    assert CREDENTIAL not in f"{answer.headers} {answer.body!r}"
    assert CREDENTIAL not in str([record.facts for record in w.log.records])
    assert "Bearer" not in str([(record.facts, record.personal) for record in w.log.records])


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_another_persons_session_looks_unknown(method):
    w = world()
    session = await w.session()
    data = request("ping") if method == "POST" else b""
    before = len(w.upstream.sent)

    stolen = await w.send(data, method=method, token="bob", headers=(("mcp-session-id", session),))
    unknown = await w.send(data, method=method, token="bob", headers=(("mcp-session-id", "x"),))

    assert stolen.status == unknown.status == 404
    first, second = body(stolen)["error"], body(unknown)["error"]
    for error in (first, second):
        error["message"] = error["message"].replace(error.pop("data")["decision"], "ID")
    assert first == second
    assert len(w.upstream.sent) == before


async def test_a_session_does_not_outlive_its_grant():
    w = world()
    session = await w.session()
    again = presented("alice")
    grant = again.grant.__class__(
        **{name: getattr(again.grant, name) for name in again.grant.__slots__} | {"gid": "new"}
    )
    w.doors.grants["alice"] = again.__class__(grant=grant, jti="j2", expires=again.expires)

    assert (await w.legacy(session, "ping")).status == 404


ELSEWHERE = Upstream(url="http://other.internal/mcp")


@pytest.mark.parametrize(
    "leads",
    [
        {"upstream": ELSEWHERE},
        {"upstream": None, "backends": (Backend(name="files", upstream=ELSEWHERE),)},
    ],
    ids=["another", "several"],
)
async def test_a_session_at_one_server_is_unknown_once_the_route_leads_elsewhere(leads):
    w = world()
    session = await w.session()
    w.upstream.sent.clear()
    known = w.live.routes[ORIGIN, PATH]
    moved = LiveRoute.of(known.route.model_copy(update=leads), known.policies)
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): moved})

    assert (await w.legacy(session, "ping")).status == 404
    assert w.upstream.sent == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("null", 403),
        ("http://mcp.example.com", 403),
        ("http://localhost:6274", 403),
        (ORIGIN, 200),
    ],
)
async def test_a_foreign_web_origin_is_refused(origin, status):
    w = world()
    params = {"name": "a"}
    headers = (
        ("origin", origin),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "a"),
    )

    answer = await w.modern("tools/call", params, headers=headers)

    assert answer.status == status
    assert header(answer, "access-control-allow-origin") == (ORIGIN if status == 200 else None)


async def test_in_development_a_page_on_loopback_may_call():
    w = world(public=False)

    good = await w.send(
        method="OPTIONS", token=None, headers=(("origin", "http://localhost:6274"),)
    )
    bad = await w.send(
        method="OPTIONS", token=None, headers=(("origin", "http://localhost.evil.example"),)
    )

    assert (good.status, bad.status) == (204, 403)


async def test_a_preflight_needs_no_token_and_names_what_may_be_sent():
    headers = (
        ("origin", ORIGIN),
        ("access-control-request-headers", "mcp-param-region, x-evil, mcp-param-a\r\nb"),
    )

    answer = await world().send(method="OPTIONS", token=None, headers=headers)

    allowed = header(answer, "access-control-allow-headers")
    assert answer.status == 204
    assert "Authorization" in allowed
    assert "mcp-param-region" in allowed
    assert "evil" not in allowed
    assert "\n" not in allowed


async def test_a_browser_that_opens_the_url_gets_a_page_under_the_same_401():
    answer = await world().send(method="GET", token=None, headers=(("accept", "text/html,*/*"),))

    assert isinstance(answer.body, bytes)
    assert (answer.status, answer.body[:15].lower()) == (401, b"<!doctype html>")
    assert METADATA in header(answer, "www-authenticate")


async def test_a_store_that_is_away_is_503_and_allows_nothing():
    w = world()
    session = await w.session()
    await w.live.store.close()

    answer = await w.legacy(session, "ping")

    assert (answer.status, len(w.upstream.sent)) == (503, 1)


async def test_a_bug_is_500_and_says_nothing():
    w = world(lambda _: ValueError("secret detail"))

    answer = await w.modern("tools/call", {"name": "a"})

    assert answer.status == 500
    assert isinstance(answer.body, bytes)
    assert b"secret" not in answer.body
    assert w.log.words()[-1] == ("outcome", "error")
