"""`acme/../x`: a path or URI that two programs read as two different ones slips past no rule."""

import pytest

from joined_parts import Server, joined
from mcp_parts import ALLOW_ALL, body, world
from ostiary.decode.fault import Faulty
from ostiary.policy.check import check
from ostiary.policy.rule import Rule

DENY = {
    "name": "secrets-stay",
    "effect": "Deny",
    "match": {"tools": ["read_file"]},
    "condition": "path(args.path).startsWith('secrets/')",
}
ALLOW = {
    "name": "acme-only",
    "effect": "Allow",
    "who": {"everyone": True},
    "match": {"tools": ["read_file"]},
    "condition": "path(args.path).startsWith('acme/')",
}
AROUND = {
    "dot segments": "{0}/../{1}/key",
    "a dot segment at the start": "./{1}/key",
    "a dot segment at the end": "{0}/..",
    "nothing but dots": "..",
    "an empty segment": "//{1}/key",
    "backslashes": "{0}\\..\\{1}\\key",
    "encoded dots": "{0}/%2e%2e/{1}/key",
    "a doubly encoded dot": "{0}/.%252e/{1}/key",
    "an encoded slash": "{0}/..%2f{1}/key",
    "an encoded letter": "{0}/%2e./%73ecrets/key",
    "path parameters": "{0}/..;/{1}/key",
    "wide dots": "{0}/\uff0e\uff0e/{1}/key",
    "a wide slash": "{0}/..\uff0f{1}/key",
    "a space before": " {1}/key",
    "a space after a segment": "{0}/.. /{1}/key",
    "a tab": "{0}/.\t./{1}/key",
    "a nul": "{0}/key\0/../{1}",
    "a newline": "{0}/key\n",
    "more than any program takes": "{0}/" + "x" * 8192,
}
PLAIN = ["acme/key", "acme/My Documents/v1.2 (final).txt", "acme/.hidden/a..b", "acme/café"]
URIS = {
    "dot segments": "docs://open/../secret/a",
    "encoded dots": "docs://open/%2e%2e/secret/a",
    "an encoded slash": "docs://open/..%2fsecret/a",
    "an encoded letter": "docs://%73ecret/a",
    "another case of the scheme": "DOCS://secret/a",
    "a backslash": "docs:\\\\secret\\a",
    "a tab": "docs://sec\tret/a",
}
WEB = {
    "another case of the host": "https://INTRANET/a",
    "a user": "https://x@intranet/a",
    "a missing slash": "https:/intranet/a",
    "a slash too many": "https:///intranet/a",
}


@pytest.mark.parametrize("name", AROUND)
async def test_no_spelling_of_a_path_walks_around_a_deny(name: str) -> None:
    w = world(None, ALLOW_ALL, DENY)

    answer = await call(w, AROUND[name].format("public", "secrets"))

    assert (body(answer)["error"]["code"], w.upstream.sent) == (-31003, [])


@pytest.mark.parametrize("name", AROUND)
async def test_no_spelling_of_a_path_walks_out_of_what_is_allowed(name: str) -> None:
    w = world(None, ALLOW)

    answer = await call(w, AROUND[name].format("acme", "x"))

    assert ("error" in body(answer), w.upstream.sent) == (True, [])


@pytest.mark.parametrize("path", PLAIN)
async def test_a_plain_path_is_what_it_says(path: str) -> None:
    w = world(None, ALLOW, DENY)

    assert "result" in body(await call(w, path))


@pytest.mark.parametrize("path", [7, None, ["secrets/key"], {"startsWith": "x"}])
async def test_what_is_no_text_is_no_path(path: object) -> None:
    w = world(None, ALLOW_ALL, DENY)

    answer = await call(w, path)

    assert (body(answer)["error"]["code"], w.upstream.sent) == (-31003, [])


@pytest.mark.parametrize("uri", [*URIS.values()])
@pytest.mark.parametrize(
    "deny",
    [
        {"match": {"resources": ["docs://secret/*"]}},
        {"match": {"methods": ["resources/*"]}, "condition": "resource.startsWith('docs://secret/')"},
        {"match": {"methods": ["resources/*"]}, "condition": "name.startsWith('docs://secret/')"},
    ],
)  # fmt: skip
async def test_no_spelling_of_a_uri_walks_around_a_deny(uri: str, deny: dict[str, object]) -> None:
    w = world(None, ALLOW_ALL, {"name": "no", "effect": "Deny", **deny})

    answer = await w.modern("resources/read", {"uri": uri})

    assert ("error" in body(answer), w.upstream.sent) == (True, [])


@pytest.mark.parametrize("uri", [*WEB.values()])
async def test_no_spelling_of_a_web_address_walks_around_a_deny(uri: str) -> None:
    deny = {"name": "no", "effect": "Deny", "match": {"resources": ["https://intranet/*"]}}
    w = world(None, ALLOW_ALL, deny)

    answer = await w.modern("resources/read", {"uri": uri})

    assert ("error" in body(answer), w.upstream.sent) == (True, [])


@pytest.mark.parametrize("uri", [*WEB.values()])
async def test_nor_of_one_behind_the_name_of_its_server(uri: str) -> None:
    deny = {"name": "no", "effect": "Deny", "match": {"resources": ["web+https://intranet/*"]}}
    w = joined({"web": Server(resources__read={"contents": []})}, ALLOW_ALL, deny)

    answer = await w.modern("resources/read", {"uri": f"web+{uri}"})

    assert ("error" in body(answer), w.upstream.sent) == (True, [])


@pytest.mark.parametrize("uri", ["docs://open/a%20b", "docs://Open/Caf%C3%A9", "https://a.b/C?d=E"])
async def test_a_plain_uri_is_what_it_says(uri: str) -> None:
    allow = {"name": "a", "effect": "Allow", "match": {"resources": ["docs://*", "https://*"]}}
    w = world(None, {**allow, "who": {"everyone": True}})

    assert "result" in body(await w.modern("resources/read", {"uri": uri}))


def test_a_path_that_is_no_text_is_a_fault_where_the_policy_is_checked() -> None:
    with pytest.raises(Faulty, match="path"):
        check([Rule.model_validate({**DENY, "condition": "path(1) == 'a'"})])


async def call(w, path):
    return await w.modern("tools/call", {"name": "read_file", "arguments": {"path": path}})
