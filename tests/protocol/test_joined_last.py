"""X13: the last list of one of several servers stands in while that one is away for a moment."""

from typing import Any

import pytest

from joined_parts import Server, joined
from mcp_parts import ORIGIN, PATH, World, body, json_answer
from ostiary.config.document import NoAuth
from ostiary_proxy.pipeline.live import LiveRoute
from upstream_parts import AUTH


def tools(*names: str, **more: Any) -> dict[str, Any]:
    return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names], **more}


LONG = {"ttlMs": 60_000, "cacheScope": "private"}
MISSING = {"ostiary.dev/partial": ["web"]}


def desk(**kept: Any) -> tuple[World, Server]:
    """Return a pipeline before two servers, and the one that says how long its list is good."""
    web = Server(tools__list=tools("find", **(kept or LONG)))
    return joined({"files": Server(tools__list=tools("read")), "web": web}), web


async def listed(w: World, *, token: str = "alice") -> tuple[list[str], Any, Any]:
    """Return the names of a list, who is missing in it, and how long it is good."""
    result = body(await w.modern("tools/list", token=token))["result"]
    return [tool["name"] for tool in result["tools"]], result.get("_meta"), result["ttlMs"]


async def test_the_last_list_of_a_server_that_is_away_stands_in_for_five_minutes() -> None:
    w, web = desk()
    await listed(w)
    web.away = True

    w.now[0] += 60 + 299
    during = await listed(w)
    w.now[0] += 2
    after = await listed(w)

    assert during == (["files_read", "web_find"], MISSING, 0)
    assert after == (["files_read"], MISSING, 0)


async def test_with_every_server_away_their_last_lists_are_the_list() -> None:
    w, web = desk()
    files = Server(tools__list=tools("read", **LONG))
    w = joined({"files": files, "web": web})
    await listed(w)
    files.away = web.away = True
    w.now[0] += 61

    names, missing, _ = await listed(w)

    assert names == ["files_read", "web_find"]
    assert missing == {"ostiary.dev/partial": ["files", "web"]}


async def test_a_list_stands_in_for_the_person_alone_that_it_was_given() -> None:
    w, web = desk()
    await listed(w, token="alice")
    web.away = True

    assert (await listed(w, token="bob"))[0] == ["files_read"]


async def test_a_server_that_answers_and_refuses_is_not_away() -> None:
    w, web = desk()
    await listed(w)
    web.results["tools/list"] = lambda _: json_answer({}, status=403)

    assert (await listed(w))[0] == ["files_read"]


async def test_a_list_that_its_server_does_not_let_be_kept_does_not_stand_in() -> None:
    w, web = desk(ttlMs=0)
    await listed(w)
    web.away = True

    assert (await listed(w))[0] == ["files_read"]


async def test_a_list_does_not_stand_in_once_its_server_told_of_a_change() -> None:
    w, web = desk()
    await listed(w)
    w.live.kept.told("team/files", "notifications/tools/list_changed")
    web.away = True

    assert (await listed(w))[0] == ["files_read"]


@pytest.mark.parametrize(("auth", "shown"), [(NoAuth(), 1), (AUTH, 0)])
async def test_nothing_stands_in_for_a_server_that_uses_peoples_accounts(
    auth: Any, shown: int
) -> None:
    w, web = desk()
    (live,) = w.live.routes.values()
    files, other = live.route.backends or ()
    route = live.route.model_copy(
        update={"backends": (files, other.model_copy(update={"auth": auth}))}
    )
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): LiveRoute.of(route, live.policies)})
    await listed(w)
    web.away = True

    assert (await listed(w))[0].count("web_find") == shown
