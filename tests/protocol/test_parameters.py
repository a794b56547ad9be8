"""Rules 15, 16 and 42, pitfall 14: arguments that 2026-07-28 repeats in Mcp-Param-* headers."""

import base64
import json
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    World,
    body,
    json_answer,
    modern_headers,
    result,
    sent_header,
    world,
)
from ostiary_proxy.mcp.parameters import BadParameter, parameters_of
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.wire import Headers

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "limit": {"type": "integer", "x-mcp-header": "Limit"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "deep": {
            "type": "object",
            "properties": {"er": {"type": "string", "x-mcp-header": "Deep-Er"}},
        },
        "free": {"type": "string"},
    },
}
TOOL = {"name": "deploy", "inputSchema": SCHEMA}
UMLAUT = f"=?base64?{base64.b64encode('süd'.encode()).decode()}?="


def server(*tools: Any) -> World:
    """Return a world whose server lists these tools, and answers every call."""
    listed = {"tools": list(tools or (TOOL,))}

    def script(sent: Any) -> Any:
        listing = json.loads(sent.body)["method"] == "tools/list"
        return json_answer(result(listed if listing else {"content": []}))

    return world(script)


async def listed(w: World, **rest: Any) -> list[Any]:
    answer = await w.modern("tools/list", **rest)
    w.upstream.sent.clear()
    return list(body(answer)["result"]["tools"])


async def called(w: World, arguments: Any, *headers: tuple[str, str], **rest: Any) -> Answer:
    params = {"name": "deploy", "arguments": arguments}
    mirrored = (*modern_headers("tools/call", params), *headers)
    return await w.modern("tools/call", params, headers=mirrored, **rest)


SAME: dict[str, tuple[Any, Headers]] = {
    "all of them": (
        {"region": "eu", "limit": 7, "dry": True, "deep": {"er": "x"}, "free": "y"},
        (("mcp-param-region", "eu"), ("mcp-param-limit", "7"), ("mcp-param-dry", "true"),
        ("mcp-param-deep-er", "x")),
    ),
    "nothing": ({}, ()),
    "null": ({"region": None, "deep": None}, ()),
    "base64": ({"region": "süd"}, (("mcp-param-region", UMLAUT),)),
    "an integer with a point": ({"limit": 42}, (("mcp-param-limit", "42.0"),)),
    "an integer beyond a double": (
        {"limit": 2**60 + 1}, (("mcp-param-limit", str(2**60 + 1)),)
    ),
    "a number in another form": ({"limit": 1.0}, (("mcp-param-limit", "1"),)),
    "no plain value": ({"region": ["eu"]}, ()),
    "a header that the tool does not mark": ({"free": "y"}, (("mcp-param-free", "z"),)),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
async def test_headers_that_repeat_the_arguments_go_on_as_they_came(case):
    w = server()
    await listed(w)
    arguments, headers = SAME[case]

    answer = await called(w, arguments, *headers)

    assert body(answer) == result({"content": []})
    sent = w.upstream.sent[0].headers
    assert tuple(one for one in sent if one[0].startswith("mcp-param-")) == headers


OTHER: dict[str, tuple[Any, Headers]] = {
    "missing": ({"region": "eu"}, ()),
    "another": ({"region": "eu"}, (("mcp-param-region", "us"),)),
    "in capitals": ({"region": "eu"}, (("mcp-param-region", "EU"),)),
    "broken base64": ({"region": "eu"}, (("mcp-param-region", "=?base64?e?="),)),
    "without argument": ({}, (("mcp-param-region", "eu"),)),
    "beside null": ({"region": None}, (("mcp-param-region", "null"),)),
    "another number": ({"limit": 42}, (("mcp-param-limit", "42.5"),)),
    "beyond a double": ({"limit": 2**60 + 1}, (("mcp-param-limit", str(2**60)),)),
    "no number": ({"limit": 42}, (("mcp-param-limit", "4_2"),)),
    "a boolean as a number": ({"dry": True}, (("mcp-param-dry", "1"),)),
    "deep down": ({"deep": {"er": "x"}}, (("mcp-param-deep-er", "y"),)),
    "a list": ({"region": ["eu"]}, (("mcp-param-region", "eu"),)),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
async def test_a_parameter_header_that_differs_from_the_argument_is_a_mismatch(case):
    w = server()
    await listed(w)
    arguments, headers = OTHER[case]

    answer = await called(w, arguments, *headers)

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32020, 1)
    assert "Mcp-Param-" in body(answer)["error"]["message"] or case == "broken base64"
    assert w.upstream.sent == []


async def test_a_tool_that_this_person_did_not_see_is_the_servers_to_check():
    w = server()
    await listed(w, token="bob")

    answer = await called(w, {"region": "eu"}, ("mcp-param-region", "us"))

    assert body(answer) == result({"content": []})


async def test_the_newest_list_counts():
    tools = [TOOL]
    w = server()
    w.upstream.script = lambda sent: json_answer(
        result({"tools": tools} if b"tools/list" in sent.body else {"content": []})
    )
    await listed(w)
    tools[0] = {"name": "deploy", "inputSchema": {"type": "object"}}
    await listed(w)

    answer = await called(w, {"region": "eu"})

    assert body(answer) == result({"content": []})


REDACT: dict[str, Any] = {
    **ALLOW_ALL, "transform": {"redact": [{"in": "Arguments", "pattern": "[0-9]{4}"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "sent"), [(True, "pin [redacted]"), (False, None)]
)  # fmt: skip
async def test_what_was_redacted_does_not_stand_in_a_header_either(seen, sent):
    w = server()
    w.allow(REDACT)
    if seen:
        await listed(w)

    await called(w, {"region": "pin 1234"}, ("mcp-param-region", "pin 1234"))

    assert sent_header(w.upstream.sent[0], "mcp-param-region") == sent
    assert "1234" not in repr(w.upstream.sent[0])


def marked(value: Any, **schema: Any) -> dict[str, Any]:
    return {"properties": {"a": {"type": "string", "x-mcp-header": value, **schema}}}


FAULTY: dict[str, Any] = {
    "empty": marked(""),
    "no token": marked("a b"),
    "a line break": marked("a\r\nb"),
    "no string": marked(7),
    "a number": marked("A", type="number"),
    "an object": marked("A", type="object"),
    "two types": marked("A", type=["string", "null"]),
    "twice": {
        "properties": {
            "a": {"type": "string", "x-mcp-header": "A"},
            "b": {"type": "string", "x-mcp-header": "a"},
        }
    },
    "at the root": {"type": "string", "x-mcp-header": "A"},
    "in a list": {"properties": {"l": {"items": {"type": "string", "x-mcp-header": "A"}}}},
    "in a choice": {"anyOf": [marked("A")]},
    "in a definition": {"$defs": {"d": {"type": "string", "x-mcp-header": "A"}}},
    "under a condition": {"properties": {"o": {"if": marked("A")}}},
    "a long name": marked("A" * 129),
    "a long way": {"properties": {"o" * 512: marked("A")}},
    "more than headers": {
        "properties": {f"p{n}": {"type": "string", "x-mcp-header": f"P{n}"} for n in range(65)}
    },
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_mark_that_no_header_can_follow_is_faulty(case):
    with pytest.raises(BadParameter):
        parameters_of(FAULTY[case])


def test_what_only_looks_like_a_mark_is_none():
    schema: Any = {
        "properties": {"x-mcp-header": {"type": "number", "default": {"x-mcp-header": ""}}},
        "enum": [{"x-mcp-header": ""}],
    }

    assert parameters_of(schema) == ()


async def test_a_tool_with_a_faulty_mark_is_left_out_and_the_others_stay():
    faulty = {"name": "faulty", "inputSchema": marked("")}

    assert await listed(server(faulty, TOOL, {"name": "plain"})) == [TOOL, {"name": "plain"}]


async def test_an_older_client_sees_a_tool_with_a_faulty_mark():
    faulty = {"name": "faulty", "inputSchema": marked("")}
    w = server(faulty)
    session = await w.session()

    answer = await w.legacy(session, "tools/list")

    assert body(answer)["result"]["tools"] == [faulty]
