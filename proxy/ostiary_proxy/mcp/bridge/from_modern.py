"""From 2026-07-28 to a 2025 revision: results, errors, notifications, what a server asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.mcp.bridge.to_modern import CallEnds
from ostiary_proxy.mcp.bridge.unheard import unheard
from ostiary_proxy.mcp.eras import META_SERVER_INFO, META_SUBSCRIPTION
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Id, Message, Notification, Object, Request, Response
from ostiary_proxy.mcp.methods import MODERN, TASKS
from ostiary_proxy.mcp.parameters import legible
from ostiary_proxy.mcp.results import BadResult, input_requests
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.mcp.tasks import OFFER, RELATED, declares

__all__ = [
    "Asking", "Wanted", "answered", "asking", "error_of", "initialized", "result_of", "told",
    "tools_in", "wanted_in",
]  # fmt: skip

_BRIDGED: Final = ("completions", "logging", "prompts", "resources", "tools")
"""Server capabilities that a legacy client can use here; of extensions, tasks alone are more."""
_NEW: Final = frozenset(("cacheScope", "inputRequests", "requestState", "resultType", "ttlMs"))
_NO_SCHEMA: Final[dict[str, Json]] = {}
_INVALID_REQUEST: Final = -32600
_CODES: Final[Mapping[int, int]] = {-32020: -32603, -32021: _INVALID_REQUEST, -32022: -32603}
"""Error codes that mean nothing before 2026-07-28, and what a legacy client is told instead."""
_NOT_FOUND: Final = -32002
_INVALID_PARAMS: Final = -32602
_ABOUT_THE_STREAM: Final = frozenset(
    ("notifications/cancelled", "notifications/subscriptions/acknowledged")
)
_MOST_QUESTIONS: Final = 16


def initialized(discovered: Object, *, version: str, name: str) -> Object:
    """Return the initialize result that a discover result comes to.

    `name` stands for a server that does not say its own.
    """
    capabilities = discovered.get("capabilities")
    served = capabilities if isinstance(capabilities, dict) else {}
    meta = discovered.get("_meta")
    info = meta.get(META_SERVER_INFO) if isinstance(meta, dict) else None
    tasks = {"tasks": OFFER} if version == TASKS and declares(served) else {}
    result: dict[str, Json] = {
        "protocolVersion": version,
        "capabilities": {**{one: served[one] for one in _BRIDGED if one in served}, **tasks},
        "serverInfo": info if isinstance(info, dict) else {"name": name, "version": "unknown"},
    }
    if isinstance(discovered.get("instructions"), str):
        result["instructions"] = discovered["instructions"]
    return result


def result_of(method: str, result: Object, *, tasks: bool = False) -> Object:
    """Return a complete result of `method` as a legacy client reads it.

    With `tasks` every tool of a list may be called as a task.
    """
    kept = {name: value for name, value in result.items() if name not in _NEW}
    meta = kept.pop("_meta", None)
    if isinstance(meta, dict):
        left = {name: value for name, value in meta.items() if name != META_SERVER_INFO}
        kept |= {"_meta": left} if left else {}
    if method == "tools/call" and not isinstance(kept.get("structuredContent", {}), dict):
        del kept["structuredContent"]
    if method == "tools/list" and isinstance(kept.get("tools"), list):
        kept["tools"] = [_tool(tool, tasks=tasks) for tool in legible(tools_in(kept))[0]]
    return kept


def tools_in(result: Object) -> list[Json]:
    """Return the tools of a list that can be read at all."""
    tools = result.get("tools")
    listed = tools if isinstance(tools, list) else []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _tool(tool: Json, *, tasks: bool) -> Json:
    """Return `tool` without an output schema that is not of an object: legacy clients know none."""
    assert isinstance(tool, dict)  # `tools_in` saw to it
    if tasks:
        tool = {**tool, "execution": {"taskSupport": "optional"}}
    schema = tool.get("outputSchema", _NO_SCHEMA)
    if schema is _NO_SCHEMA or (isinstance(schema, dict) and schema.get("type") == "object"):
        return tool
    return {name: value for name, value in tool.items() if name != "outputSchema"}


def error_of(request: Request, error: Object) -> Object:
    """Return an error in answer to `request` with a code that legacy clients know."""
    code = error.get("code")
    assert isinstance(code, int)  # the envelope ladder saw to it
    data, uri = error.get("data"), request.params.get("uri")
    if code == _INVALID_PARAMS and request.method == "resources/read":
        missing = isinstance(data, dict) and data.get("uri") == uri
        return {**error, "code": _NOT_FOUND if missing else code}
    return {**error, "code": _CODES.get(code, code)}


def told(message: Message) -> Notification | None:
    """Return a server's notification without the mark of the stream that it came on.

    None where it only concerns that stream. A request is no part of one (rule 26), nor is an answer
    to what was not asked on it.
    """
    if not isinstance(message, Notification):
        return unheard(message)
    if message.method in _ABOUT_THE_STREAM:
        return None
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or META_SUBSCRIPTION not in meta:
        return message
    left = {name: value for name, value in meta.items() if name != META_SUBSCRIPTION}
    params = {name: value for name, value in message.params.items() if name != "_meta"}
    params |= {"_meta": left} if left else {}
    return Notification(
        method=message.method, params=params, whole={**message.whole, "params": params}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a server needs before it answers: `state` comes back to it as it is."""

    entries: Mapping[str, Object]
    state: Json


def wanted_in(response: Response, *, retried: bool, as_task: bool = False) -> Wanted | None:
    """Return what `response` asks for, None for an answer that is complete; raises BadResult.

    `retried` says whether the method may ask at all (rule 45), `as_task` whether a task may be the
    answer.
    """
    result = response.result
    if result is None or (as_task and result.get("resultType") == "task"):
        return None
    entries = input_requests(result, retried=retried)
    if result.get("resultType", "complete") == "complete":
        return None
    return Wanted(entries=entries, state=result.get("requestState"))


def answered(request: Request, response: Response, client_id: Id, *, tasks: bool = False) -> Object:
    """Return the complete answer to `request` as the one to the client's `client_id`.

    `tasks` is as for `result_of`.
    """
    if response.error is not None:
        return {"jsonrpc": "2.0", "id": client_id, "error": {**error_of(request, response.error)}}
    result = result_of(request.method, response.result or {}, tasks=tasks)
    return {"jsonrpc": "2.0", "id": client_id, "result": {**result}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One thing that the server asks for: its name for it, its kind, the request to the client.

    What is of no kind is the relay's to refuse.
    """

    key: str
    kind: ServerRequest | None
    request: Request


def asking(
    entries: Mapping[str, Object], declared: Declared, *, prefix: str, task_id: str | None = None
) -> list[Asking]:
    """Return the requests to the client that `entries` of inputRequests come to.

    Those of a task say so. Raises BadResult for more than a client can be asked, and CallEnds for
    what it never declared (rule 23).
    """
    if len(entries) > _MOST_QUESTIONS:
        raise BadResult(f"the server asks for more than {_MOST_QUESTIONS} things at once")
    return [
        _asked(key, entry, declared, f"{prefix}.{number}", task_id)
        for number, (key, entry) in enumerate(entries.items(), 1)
    ]


def _asked(
    key: str, entry: Object, declared: Declared, request_id: str, task_id: str | None
) -> Asking:
    method, said = str(entry["method"]), entry.get("params", {})
    params: dict[str, Json] = dict(said) if isinstance(said, dict) else {}
    kind = _kind(method, params)
    if kind is not None and (needed := lacking(kind, declared.capabilities, params)) is not None:
        raise CallEnds(
            _INVALID_REQUEST,
            f"the server asks for {method}, which this client did not declare at initialize",
            {"requiredCapabilities": needed},
        )
    if method == "elicitation/create":
        params = _elicitation(params, request_id)
    if task_id is not None:
        meta = params.get("_meta")
        related: Json = {"taskId": task_id}
        params["_meta"] = {**(meta if isinstance(meta, dict) else {}), RELATED: related}
    whole: dict[str, Json] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params:
        whole["params"] = params
    request = Request(id=request_id, method=method, params=params, whole=whole)
    return Asking(key=key, kind=kind, request=request)


def _kind(method: str, params: Object) -> ServerRequest | None:
    subject = server_request(MODERN, method, params)
    return ServerRequest(subject.name) if subject is not None else None


def _elicitation(params: dict[str, Json], request_id: str) -> dict[str, Json]:
    """Return params as 2025 wants them: a form needs no mode, a URL needs an id."""
    if params.get("mode", "form") == "form":
        return {name: value for name, value in params.items() if name != "mode"}
    return {"elicitationId": request_id, **params}
