"""What is fuzzed: each target takes any bytes, says in a word what became of them, or fails.

A target fails where a promise does not hold that is made for all bytes: what is read can be written
and read again, CPython agrees, chunks do not matter, and no peer makes the gateway fail.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from joined_parts import Server, joined
from legacy_parts import CAN_ALL, LegacyServer
from mcp_parts import ALLOW_ALL, ALLOW_SERVER, ScriptedExchange, World, modern_headers, world
from newer_parts import ModernServer, opening
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.sse import EventTooLarge, Splitter, write_event
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.answer import Answer, Stream

__all__ = ["TARGETS"]

RULES: Final = (ALLOW_ALL, ALLOW_SERVER)
CALL: Final = {"name": "a", "arguments": {"x": 1}}


# -- readers -----------------------------------------------------------------------------------


def read_json_strictly(data: bytes) -> str:
    """Agree with CPython on every value that is read; read again what is written."""
    try:
        value = read_json(data)
    except Faulty as faulty:
        return _shape(str(faulty))
    assert value == json.loads(data)
    assert read_json(write_json(value)) == value
    return type(value).__name__


def split_events(data: bytes) -> str:
    """Give the same events however the bytes are cut, and the same again once written."""
    cuts = random.Random(data)
    pieces, rest = [], data
    while rest:
        size = cuts.randint(1, 9)
        pieces.append(rest[:size])
        rest = rest[size:]
    whole, cut = _events([data]), _events(pieces)
    assert whole == cut
    if isinstance(whole, str):
        return _shape(whole)
    written = b"".join(map(write_event, whole))
    assert _events([written]) == [event for event in whole if write_event(event)]
    return f"{min(len(whole), 9)} events"


def _events(pieces: list[bytes]) -> Any:
    splitter = Splitter()
    try:
        return [event for piece in pieces for event in splitter.feed(piece)]
    except EventTooLarge as error:
        return str(error)


def read_envelope(data: bytes) -> str:
    """Read one message alike from the bytes that came and from those that we write of it."""
    try:
        message = read_message(data)
    except Misread as misread:
        return _shape(f"{misread.code} {misread}")
    assert read_message(write_json(message.whole)) == message
    return type(message).__name__


# -- peers -------------------------------------------------------------------------------------


def _answering(data: bytes) -> Callable[[Any], ScriptedExchange]:
    """Return a server's answer to a message: the bytes, with the id that it was asked under."""

    def answer(message: Any) -> ScriptedExchange:
        said = data.replace(b'"@ID"', json.dumps(message.get("id")).encode())
        kind = "application/json" if said[:1] in (b"{", b"[") else "text/event-stream"
        return ScriptedExchange(200, {"content-type": kind}, [said])

    return answer


async def _native_modern(data: bytes) -> tuple[World, Answer]:
    answer = _answering(data)
    w = world(lambda sent: answer(json.loads(sent.body or b"{}")), *RULES)
    return w, await w.modern("tools/call", CALL, meta=CAN_ALL)


async def _native_legacy(data: bytes) -> tuple[World, Answer]:
    answer = _answering(data)

    def script(sent: Outgoing) -> ScriptedExchange:
        message = json.loads(sent.body or b"{}")
        return answer(message) if "method" in message else ScriptedExchange(202, {}, [])

    w = world(script, *RULES)
    session = await w.session(version="2025-03-26", capabilities={"elicitation": {}})
    return w, await w.legacy(session, "tools/call", CALL)


async def _before_newer(data: bytes) -> tuple[World, Answer]:
    server = ModernServer({"tools/call": _answering(data)})
    w, session = await opening(server, *RULES, capabilities={"elicitation": {}})
    return w, await w.legacy(session, "tools/call", CALL)


async def _before_older(data: bytes) -> tuple[World, Answer]:
    server = LegacyServer({"tools/call": _answering(data)})

    def script(sent: Outgoing) -> ScriptedExchange:
        answers = sent.body and "method" not in json.loads(sent.body)
        return ScriptedExchange(202, {}, []) if answers else server(sent)

    w = world(script, *RULES)
    return w, await w.modern("tools/call", CALL, meta=CAN_ALL)


async def _before_several(data: bytes) -> tuple[World, Answer]:
    servers = {
        "one": Server(tools__list=_answering(data)),
        "two": Server(tools__list={"tools": []}),
    }
    w = joined(servers, *RULES)
    return w, await w.modern("tools/list", meta=CAN_ALL)


async def _from_client_modern(data: bytes) -> tuple[World, Answer]:
    w = world(None, *RULES)
    return w, await w.send(data, headers=modern_headers("tools/call", CALL))


async def _from_client_legacy(data: bytes) -> tuple[World, Answer]:
    w = world(None, *RULES)
    session = await w.session(version="2025-03-26")
    return w, await w.send(data, headers=(("mcp-session-id", session),))


def _peer(exchange: Callable[[bytes], Coroutine[Any, Any, tuple[World, Answer]]]) -> Any:
    def target(data: bytes) -> str:
        return asyncio.run(_seen(exchange(data)))

    return target


async def _seen(exchange: Coroutine[Any, Any, tuple[World, Answer]]) -> str:
    """Return what a client saw: never a failure of ours, never what is no JSON-RPC."""
    async with asyncio.timeout(10):
        w, answer = await exchange
        said = [answer.body] if isinstance(answer.body, bytes) else await _heard(answer.body)
    facts = [dict(record.facts) for record in w.log.records]
    assert not [fact for fact in facts if fact.get("code") == "Internal"], facts
    assert answer.status != 500
    codes = [_code(json.loads(one)) for one in said if one.strip()]
    return f"{answer.status} {codes[:4]}"


async def _heard(stream: Stream) -> list[bytes]:
    """Return the messages of a stream up to its end, or up to a question, which nobody answers."""
    heard: list[bytes] = []
    async for piece in stream:
        heard += _data(piece)
        if any("method" in one and "id" in one for one in map(json.loads, heard)):
            await stream.abandon()
            break
    return heard


def _data(stream: bytes) -> list[bytes]:
    splitter = Splitter()
    return [event.data.encode() for event in splitter.feed(stream) if event.data]


def _code(message: Any) -> Any:
    if isinstance(message, list):
        return [_code(one) for one in message[:3]]
    if "error" in message:
        return message["error"]["code"]
    return message.get("method", "result")


def _shape(text: str) -> str:
    """Return a text without what differs from input to input."""
    return "".join(character for character in text if character.isalpha() or character == " ")[:60]


TARGETS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "json": read_json_strictly,
    "events": split_events,
    "message": read_envelope,
    "answer-native-2026": _peer(_native_modern),
    "answer-native-2025": _peer(_native_legacy),
    "answer-newer": _peer(_before_newer),
    "answer-older": _peer(_before_older),
    "answer-several": _peer(_before_several),
    "client-2026": _peer(_from_client_modern),
    "client-2025": _peer(_from_client_legacy),
}
