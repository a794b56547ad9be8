"""An MCP server for the bench of streams: what it says is fixed, so that it costs next to nothing.

`json` and `sse` answer a call of that tool with 10 kB at once, `two` with an event at once, whose
progress is the time it left, and the answer 20 ms later; GET and a listen request hold a stream
open. Arguments: the port, and the one era that it speaks, 2025 or 2026, where it is not to speak
both.
"""

import asyncio
import json
import re
import sys
import time

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OPENED = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "bench", "version": "1"},
}
_DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
}
_TEXT = "x" * 10_000
_ERA = sys.argv[2] if len(sys.argv) > 2 else ""
_REFUSED = json.dumps(
    {
        "jsonrpc": "2.0",
        "error": {"code": -32022 if _ERA == "2026" else -32600, "message": "of the other era"},
        "id": None,
    }
).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1])) if found else b""
            if head.startswith(b"GET "):
                writer.write(_head(b"text/event-stream") + _chunk(b": open\n\n"))
                await reader.read()
                return
            if _ERA not in ("", "2026" if b": 2026-07-28" in head else "2025"):
                length = f"content-length: {len(_REFUSED)}\r\n\r\n".encode()
                top = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                writer.write(top + length + _REFUSED)
                continue
            message = json.loads(body)
            if message.get("method") == "subscriptions/listen":
                writer.write(_head(b"text/event-stream") + _chunk(b": open\n\n"))
                await reader.read()
                return
            await _answer(writer, message)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer(writer: asyncio.StreamWriter, message: dict) -> None:
    if "id" not in message:
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        return
    if message["method"] == "initialize":
        writer.write(_json(message["id"], _OPENED, b"mcp-session-id: s\r\n"))
        return
    if message["method"] == "server/discover":
        writer.write(_json(message["id"], _DISCOVERED))
        return
    tool = message["params"]["name"]
    result = {"resultType": "complete", "content": [{"type": "text", "text": _TEXT}]}
    if tool == "json":
        writer.write(_json(message["id"], result))
        return
    writer.write(_head(b"text/event-stream"))
    if tool == "two":
        progress = {"progressToken": "p", "progress": time.perf_counter()}
        told = {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        writer.write(_chunk(_event(told)))
        await asyncio.sleep(0.02)
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    writer.write(_chunk(_event(answer)) + _chunk(b""))


def _json(request_id: object, result: object, more: bytes = b"") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}).encode()
    length = f"content-length: {len(body)}\r\n".encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length + more + b"\r\n" + body


def _head(media: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: " + media + b"\r\n\r\n"


def _event(message: object) -> bytes:
    return b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
