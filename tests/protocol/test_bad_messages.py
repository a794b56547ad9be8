"""Rules 4, 24, 50, pitfalls 10, 11, 15, 20: what could be read in two ways is refused."""

import pytest

from mcp_parts import body, request, world

CALL = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
NESTED = b"[" * 10_000 + b"]" * 10_000
MALFORMED = {
    "empty": (b"", 400, -32700),
    "batch": (b"[" + CALL + b"]", 400, -32600),
    "byte order mark": (b"\xef\xbb\xbf" + CALL, 400, -32700),
    "utf-16": (CALL.decode().encode("utf-16"), 400, -32700),
    "not a number": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', 400, -32700),
    "infinity": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}', 400, -32700),
    "duplicate key": (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}', 400, -32700),
    "duplicate deep key": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"y":1,"y":2}}}',
        400,
        -32700,
    ),
    "trailing data": (CALL + CALL, 400, -32700),
    "lone surrogate": (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', 400, -32700),
    "deep nesting": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + NESTED + b"}}",
        400,
        -32700,
    ),
    "odd-case method": (b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', 400,
    -32600),
    "folded s": ('{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}'.encode(), 400, -32600),
    "odd-case name": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}',
        400,
        -32600,
    ),
    "nul in a key": (b'{"jsonrpc":"2.0","id":1,"method":"ping","method\\u0000":"x"}', 400, -32600),
    "null id": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
    "fractional id": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, -32600),
    "boolean id": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', 400, -32600),
    "huge id": (b'{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', 400, -32600),
    "no version": (b'{"id":1,"method":"ping"}', 400, -32600),
    "method and result": (b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', 400, -32600),
    "params as list": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32602),
    "a string": (b'"ping"', 400, -32600),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_message_that_could_be_read_in_two_ways_is_refused_before_upstream(name):
    data, status, code = MALFORMED[name]
    w = world()

    answer = await w.send(data)

    assert (answer.status, body(answer)["error"]["code"]) == (status, code)
    assert w.upstream.sent == []
    assert w.log.words() == [("refusal", "deny")]
    assert body(answer)["error"]["data"] == {"decision": "d1"}
    assert body(answer)["error"]["message"].rpartition("#")[2] in (
        "parseerror",
        "invalidrequest",
        "invalidparams",
    )


async def test_the_request_after_a_broken_one_is_served():
    w = world()
    await w.send(b"\xff")

    answer = await w.modern("tools/call", {"name": "a"})

    assert answer.status == 200


@pytest.mark.parametrize(
    "rest", ['"params":[]', '"Method":"x"', '"result":{}', '"params":{"NAME":1}']
)
async def test_the_id_is_echoed_where_it_could_be_read(rest):
    data = f'{{"jsonrpc":"2.0","id":"seven","method":"ping",{rest}}}'

    answer = await world().send(data.encode())

    assert body(answer)["id"] == "seven"


async def test_odd_case_keys_inside_arguments_are_the_callers_own():
    w = world()

    answer = await w.modern("tools/call", {"name": "a", "arguments": {"Name": 1, "METHOD": 2}})

    assert answer.status == 200


async def test_a_body_beyond_the_limit_is_413():
    answer = await world().send(b" " * (4 * 1024 * 1024 + 1))

    assert answer.status == 413


@pytest.mark.parametrize(
    "headers",
    [
        (("content-type", "text/plain"),),
        (("content-type", "application/json"), ("content-encoding", "gzip")),
        (("content-type", "application/json; charset=utf-16"),),
        (),
    ],
)
async def test_another_media_type_or_an_encoded_body_is_415(headers):
    w = world()

    answer = await w.send(request("ping"), headers=headers, json_type=False)

    assert (answer.status, w.upstream.sent) == (415, [])


@pytest.mark.parametrize("name", ["authorization", "content-type", "origin", "last-event-id"])
async def test_a_header_that_decides_something_stands_once(name):
    w = world()
    twice = ((name, "https://mcp.example.com"), (name, "https://mcp.example.com"))

    answer = await w.send(request("ping"), headers=twice)

    assert (answer.status, w.upstream.sent) == (400, [])
