"""X12: what one of several servers says wrongly costs that server its part, and no other."""

from typing import Any

import pytest
from mcp.types import ListToolsResult

from joined_parts import Server, joined
from mcp_parts import body, header, initialize
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.fit import standing

SCHEMA = {"type": "object"}
READ = {"name": "read", "inputSchema": SCHEMA}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"tools": {}},
        {"tools": None},
        {"resultType": "input_required", "inputRequests": {}},
        {"tools": [], "nextCursor": "c" * 1023},
        {"tools": [], "nextCursor": ["c"] * 400},
    ],
)
async def test_a_list_that_is_none_leaves_out_its_server_alone(answer: Any) -> None:
    w = joined({"files": Server(tools__list={"tools": [READ]}), "web": Server(tools__list=answer)})

    result = body(await w.modern("tools/list"))["result"]

    assert [tool["name"] for tool in result["tools"]] == ["files_read"]
    assert result["_meta"] == {"ostiary.dev/partial": ["web"]}


async def test_eight_long_cursors_go_into_one_and_come_back() -> None:
    cursor = "c" * 1022
    servers = {
        f"server-number-{number}": Server(
            tools__list=lambda message: {
                "tools": [READ],
                **({"nextCursor": cursor} if "cursor" not in message["params"] else {}),
            }
        )
        for number in range(8)
    }
    w = joined(servers)

    first = body(await w.modern("tools/list"))["result"]
    second = body(await w.modern("tools/list", {"cursor": first["nextCursor"]}))["result"]

    assert len(first["tools"]) == len(second["tools"]) == 8


async def test_an_item_that_no_client_can_read_is_left_out_and_named() -> None:
    spoilt = [
        {"name": "no-schema"},
        {"name": "odd-schema", "inputSchema": "object"},
        {"name": "no-object", "inputSchema": {}},
        {"name": "odd-title", "inputSchema": SCHEMA, "title": 5},
        {"name": ["x"], "inputSchema": SCHEMA},
        "tool",
        {"name": "nothing", "inputSchema": SCHEMA, "title": None},
    ]
    w = joined(
        {
            "files": Server(tools__list={"tools": [READ]}),
            "web": Server(tools__list={"tools": spoilt}),
        }
    )

    result = body(await w.modern("tools/list"))["result"]

    assert [tool["name"] for tool in result["tools"]] == ["files_read", "web_nothing"]
    assert ListToolsResult.model_validate(result)
    assert w.live.upstreams.unfit == {
        "team/files/web": {"web_no-schema", "web_odd-schema", "web_no-object", "web_odd-title"}
    }


@pytest.mark.parametrize(
    ("method", "items", "readable"),
    [
        ("prompts/list", "prompts", {"name": "a"}),
        ("resources/list", "resources", {"name": "a", "uri": "x://a"}),
        ("resources/templates/list", "resourceTemplates", {"name": "a", "uriTemplate": "x://{a}"}),
    ],
)
async def test_what_lacks_a_name_or_a_uri_is_left_out(
    method: str, items: str, readable: Any
) -> None:
    spoilt = [{**readable, missing: None} for missing in readable]
    web = Server()
    web.results[method] = {items: [*spoilt, readable]}
    w = joined({"web": web})

    result = body(await w.modern(method))["result"]

    assert len(result[items]) == 1


def test_what_may_be_null_stays_so() -> None:
    task: Json = {"taskId": "files:st1", "status": "working", "ttl": None}

    assert standing("tasks", task) == task


async def test_what_a_server_can_do_is_told_whatever_another_says_of_itself() -> None:
    files, web = Server(session="f"), Server(session="w")
    files.capabilities = {"tools": {"listChanged": True}, "resources": {}, "extensions": {"a": {}}}
    web.capabilities = {
        "tools": True, "resources": {"subscribe": "yes", "listChanged": True}, "prompts": [],
        "extensions": {"b": 5}, "experimental": "x",
    }  # fmt: skip
    w = joined({"web": web, "files": files})

    answer = await w.send(initialize())

    assert header(answer, "mcp-session-id")
    assert body(answer)["result"]["capabilities"] == {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True},
        "extensions": {"a": {}},
    }
