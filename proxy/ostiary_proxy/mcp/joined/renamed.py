"""What one of several servers says, with its names and ids as clients know them.

The shape says what is renamed, not the method that was asked: an answer may come on another stream
than the one that it was asked on.
"""

from collections.abc import Callable
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.apps import linked
from ostiary_proxy.mcp.joined.names import joined_id, joined_name, joined_uri
from ostiary_proxy.mcp.joined.tasks import related_named, tasks_named
from ostiary_proxy.mcp.message import Message, Object, Request, Response

__all__ = ["renamed", "renamed_items"]


def renamed(message: Message, server: str) -> Object:
    """Return the whole message for clients, the very same object where nothing is named in it."""
    if isinstance(message, Response):
        whole = _changed(message.whole, "result", lambda result: _result(result, server))
        return _changed(whole, "error", lambda error: _error(error, server))
    if isinstance(message, Request):
        whole = _changed(message.whole, "params", lambda params: _asking(params, server))
        return {**whole, "id": joined_id(server, message.id)}
    if message.method in _TOLD_OF_TASKS:
        return _changed(message.whole, "params", lambda params: _result(params, server))
    field, turn = _TOLD.get(message.method, ("", _id))
    if field not in message.params:
        return message.whole
    return {
        **message.whole,
        "params": {**message.params, field: turn(server, message.params[field])},
    }


def renamed_items(result: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a list's result with its items renamed."""
    for items, (field, turn) in _ITEMS.items():
        if isinstance(listed := result.get(items), list):
            result = {**result, items: [_named(item, field, turn, server) for item in listed]}
    if isinstance(tools := result.get("tools"), list):
        pages = [linked(tool, server) if isinstance(tool, dict) else tool for tool in tools]
        result = {**result, "tools": pages}
    return result


def _result(result: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a result, or what is told of a task, which holds the result of its call."""
    result = linked(tasks_named(renamed_items(result, server), server), server)
    if isinstance(brought := result.get("result"), dict):
        result = {**result, "result": _result(brought, server)}
    if isinstance(content := result.get("content"), list):
        result = {**result, "content": [_block(block, server) for block in content]}
    if isinstance(contents := result.get("contents"), list):
        read = [_named(item, "uri", joined_uri, server) for item in contents]
        result = {**result, "contents": read}
    if isinstance(messages := result.get("messages"), list):
        result = {**result, "messages": [_message(message, server) for message in messages]}
    return result


def _message(message: Json, server: str) -> Json:
    if not isinstance(message, dict) or "content" not in message:
        return message
    content = message["content"]
    if isinstance(content, list):
        return {**message, "content": [_block(block, server) for block in content]}
    return {**message, "content": _block(content, server)}


def _block(block: Json, server: str) -> Json:
    """Return a block of content: links to resources and embedded ones carry a URI."""
    if not isinstance(block, dict):
        return block
    if block.get("type") == "resource_link":
        return _named(block, "uri", joined_uri, server)
    if block.get("type") == "resource":
        return {**block, "resource": _named(block.get("resource"), "uri", joined_uri, server)}
    return block


def _error(error: dict[str, Json], server: str) -> dict[str, Json]:
    """Return an error whose links (-32042) the server may tell to be complete by their ids."""
    data = error.get("data")
    links = data.get("elicitations") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(links, list):
        return error
    named = [_named(link, "elicitationId", joined_id, server) for link in links]
    return {**error, "data": {**data, "elicitations": named}}


def _asking(params: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a server's request; progress and completion are told by ids of the server's own."""
    params = related_named(_under(params, "elicitationId", joined_id, server), server)
    meta = params.get("_meta")
    if not isinstance(meta, dict) or "progressToken" not in meta:
        return params
    return {**params, "_meta": {**meta, "progressToken": _id(server, meta["progressToken"])}}


def _named(item: Json, field: str, turn: Callable[[str, str], str], server: str) -> Json:
    """Return an item under its name for clients; one that has none is left to the judge."""
    return _under(item, field, turn, server) if isinstance(item, dict) else item


def _under(
    item: dict[str, Json], field: str, turn: Callable[[str, str], str], server: str
) -> dict[str, Json]:
    own = item.get(field)
    return {**item, field: turn(server, own)} if isinstance(own, str) and own else item


def _changed(
    whole: Object, part: str, change: Callable[[dict[str, Json]], dict[str, Json]]
) -> Object:
    found = whole.get(part)
    if not isinstance(found, dict):
        return whole
    changed = change(found)
    return whole if changed is found else {**whole, part: changed}


def _id(server: str, own: Json) -> Json:
    return joined_id(server, own) if isinstance(own, str | int) else own


def _uri(server: str, own: Json) -> Json:
    return joined_uri(server, own) if isinstance(own, str) else own


_ITEMS: Final = {
    "tools": ("name", joined_name),
    "prompts": ("name", joined_name),
    "resources": ("uri", joined_uri),
    "resourceTemplates": ("uriTemplate", joined_uri),
}
_TOLD_OF_TASKS: Final = frozenset(("notifications/tasks", "notifications/tasks/status"))
_TOLD: Final[dict[str, tuple[str, Callable[[str, Json], Json]]]] = {
    "notifications/resources/updated": ("uri", _uri),
    "notifications/cancelled": ("requestId", _id),
    "notifications/elicitation/complete": ("elicitationId", _id),
}
