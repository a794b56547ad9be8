"""A stranger's cursor: pages of a list are for the one who was given their cursor."""

import json
from typing import Any

import pytest

from mcp_parts import World, body, json_answer, result, world

FIRST = {"tools": [], "nextCursor": "page-2-of-alice"}


async def first_page(method: str = "tools/list", **first: Any) -> tuple[World, Any]:
    """Return the world and the cursor that alice got with the first page."""
    w = world(lambda _: json_answer(result({**FIRST, "prompts": [], **first})))
    answer = await w.modern(method)
    w.upstream.sent.clear()
    return w, body(answer)["result"]["nextCursor"]


async def test_a_cursor_leaves_sealed_and_comes_back_as_the_servers_own():
    w, cursor = await first_page()

    answer = await w.modern("tools/list", {"cursor": cursor})

    assert "page-2" not in cursor
    assert answer.status == 200
    assert json.loads(w.upstream.sent[0].body)["params"]["cursor"] == "page-2-of-alice"


async def test_a_cursor_is_sealed_within_a_session_too():
    w = world(lambda _: json_answer(result(FIRST)))
    session = await w.session()
    first = await w.legacy(session, "tools/list")
    cursor = body(first)["result"]["nextCursor"]

    await w.legacy(session, "tools/list", {"cursor": cursor})

    assert "page-2" not in cursor
    assert json.loads(w.upstream.sent[-1].body)["params"] == {"cursor": "page-2-of-alice"}


@pytest.mark.parametrize(
    "said", ["stranger", "other list", "invented", "tampered", "old", "no text"]
)
async def test_a_cursor_that_this_list_did_not_give_this_person_is_refused(said):
    w, cursor = await first_page()
    sent = {"invented": "page-2-of-alice", "tampered": f"{cursor}A", "no text": 7}.get(said, cursor)
    w.now[0] += 3600 if said == "old" else 0

    answer = await w.modern(
        "prompts/list" if said == "other list" else "tools/list",
        {"cursor": sent},
        token="bob" if said == "stranger" else "alice",
    )

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32602, 1)
    assert w.upstream.sent == []
    assert w.log.words()[-1] == ("decision", "deny")


@pytest.mark.parametrize("empty", ["", None])
async def test_an_empty_cursor_stays_empty_both_ways(empty):
    w, cursor = await first_page(nextCursor=empty)

    await w.modern("tools/list", {"cursor": empty})

    assert cursor == empty
    assert json.loads(w.upstream.sent[0].body)["params"]["cursor"] == empty


@pytest.mark.parametrize("cursor", [7, ["x"], "x" * 40_000])
async def test_a_cursor_that_no_client_could_send_back_is_an_upstream_error(cursor):
    w = world(lambda _: json_answer(result({"tools": [], "nextCursor": cursor})))

    answer = await w.modern("tools/list")

    assert body(answer)["error"]["code"] == -31012
