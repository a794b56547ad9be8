"""The SDK's everything-server as one that speaks 2026-07-28 alone; usage: … PORT.

Its tools that ask the client in the middle of a call have no way to do so in that revision: the
same tools are given anew, asking through their results.
"""

import sys
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, Elicit, ElicitationResult, MCPServer, Resolve
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from mcp_everything_server import server as everything  # type: ignore[import-not-found]  # a path of its own
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

VERSION = "2026-07-28"


class Confirmed(BaseModel):
    response: str


def _question(message: str) -> Elicit[Confirmed]:
    return Elicit(message, Confirmed)


def _defaults() -> Elicit[everything.SEP1034DefaultsSchema]:
    return Elicit("Please provide user information", everything.SEP1034DefaultsSchema)


def _enums() -> Elicit[everything.EnumSchemasTestSchema]:
    return Elicit("Please select values", everything.EnumSchemasTestSchema)


async def test_elicitation(
    message: str, answer: Annotated[ElicitationResult[Any], Resolve(_question)]
) -> str:
    """Ask the person something."""
    return _said("User response", answer)


async def test_elicitation_sep1034_defaults(
    answer: Annotated[ElicitationResult[Any], Resolve(_defaults)],
) -> str:
    """Ask with defaults."""
    return _said("Elicitation completed", answer)


async def test_elicitation_sep1330_enums(
    answer: Annotated[ElicitationResult[Any], Resolve(_enums)],
) -> str:
    """Ask for choices."""
    return _said("Elicitation completed", answer)


def _said(what: str, answer: Any) -> str:
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"{what}: action={answer.action}, content={content}"


async def test_sampling(prompt: str, ctx: Context) -> str | InputRequiredResult:
    """Ask the client's model something."""
    answer = (ctx.input_responses or {}).get("sampled")
    if isinstance(answer, CreateMessageResult) and isinstance(answer.content, TextContent):
        return f"LLM response: {answer.content.text}"
    text = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    params = CreateMessageRequestParams(messages=[text], max_tokens=100)
    return InputRequiredResult(input_requests={"sampled": CreateMessageRequest(params=params)})


def _replace(server: MCPServer) -> None:
    for tool in (
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_sampling,
    ):
        server.remove_tool(tool.__name__)
        server.add_tool(tool)


class ModernOnly:
    """Refuses whatever is not said in 2026-07-28, as the TypeScript SDK's strict handler does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or headers.get(b"mcp-protocol-version") == VERSION.encode():
            await self._app(scope, receive, send)
            return
        body = (
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":'
            b'"Unsupported protocol version","data":{"supported":["2026-07-28"]}}}'
        )
        head: Any = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 400, "headers": head})
        await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    _replace(everything.mcp)
    app = ModernOnly(everything.mcp.streamable_http_app())
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
