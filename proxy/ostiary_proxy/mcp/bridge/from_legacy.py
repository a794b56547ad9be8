"""What a legacy server says in a session, as a client of 2026-07-28 hears it."""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.to_legacy import LEVELS
from ostiary_proxy.mcp.eras import META_SERVER_INFO, META_SUBSCRIPTION
from ostiary_proxy.mcp.message import Id, Notification, Object, Request
from ostiary_proxy.mcp.methods import LEGACY, MODERN
from ostiary_proxy.mcp.results import CACHEABLE
from ostiary_proxy.mcp.tasks import EXTENSION, offers

__all__ = [
    "CHANGES", "FOR_LISTENERS", "OF_CALLS", "TAKEN_BACK", "TASK_TOLD", "URL_NEEDED",
    "acknowledged", "asking", "audible", "completed", "discovered", "entry_of", "failed", "heard",
    "links", "offered", "over", "told",
]  # fmt: skip

URL_NEEDED: Final = -32042
"""A legacy error: the person has to open an address first, then the call is made again."""
OF_CALLS: Final = ("notifications/progress", "notifications/message")
"""What a server tells of calls; nearly all else is for who listens."""
TAKEN_BACK: Final = "notifications/cancelled"
"""By this a server takes back what it asked."""
_NOT_FOUND: Final = -32002
_INVALID_PARAMS: Final = -32602
_INTERNAL: Final = -32603
_UNDEFINED: Final = range(-32099, -32022)
"""Codes that 2026-07-28 keeps for itself and has given no meaning."""
_OFFERED: Final = frozenset(
    ("tools", "prompts", "resources", "logging", "completions", "experimental", "extensions")
)
_UNCACHED: Final[Mapping[str, Json]] = {"ttlMs": 0, "cacheScope": "private"}
CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "notifications/tools/list_changed": ("toolsListChanged", "tools"),
    "notifications/prompts/list_changed": ("promptsListChanged", "prompts"),
    "notifications/resources/list_changed": ("resourcesListChanged", "resources"),
}
"""What tells of a changed list: the member of a listen filter that asks for it, the capability."""
_OF_A_SESSION: Final = ("_meta", "task", "elicitationId")
"""What stands in the params of a question in a session only."""
_UPDATED: Final = "notifications/resources/updated"
TASK_TOLD: Final = "notifications/tasks/status"
FOR_LISTENERS: Final = (*CHANGES, _UPDATED, TASK_TOLD)
"""What a server tells whoever listens, on whatever stream."""
_URIS: Final = "resourceSubscriptions"
_TASKS: Final = "taskIds"


def completed(method: str, result: Object, initialized: Object) -> dict[str, Json]:
    """Return a result with what 2026-07-28 wants in each (rules 37 and 38)."""
    meta = result.get("_meta")
    return {
        **result,
        **(_UNCACHED if method in CACHEABLE else {}),
        "resultType": "complete",
        "_meta": {**(meta if isinstance(meta, dict) else {}), **_server_info(initialized)},
    }


def discovered(initialized: Object) -> dict[str, Json]:
    """Return the answer to server/discover from what the server said to initialize."""
    versions: list[Json] = [MODERN, *reversed(LEGACY)]
    result: dict[str, Json] = {"supportedVersions": versions, "capabilities": offered(initialized)}
    if isinstance(initialized.get("instructions"), str):
        result["instructions"] = initialized["instructions"]
    return completed("server/discover", result, initialized)


def offered(initialized: Object) -> dict[str, Json]:
    """Return the capabilities of a server that can be had through the bridge."""
    found = initialized.get("capabilities")
    if not isinstance(found, dict):
        return {}
    kept = {name: value for name, value in found.items() if name in _OFFERED}
    extensions = kept.get("extensions")
    others = dict(extensions) if isinstance(extensions, dict) else {}
    others.pop(EXTENSION, None)  # not as a session has it
    if offers(initialized):
        others[EXTENSION] = {}
    return {**kept, "extensions": others} if others or "extensions" in kept else kept


def _server_info(initialized: Object) -> dict[str, Json]:
    info = initialized.get("serverInfo")
    return {META_SERVER_INFO: info} if isinstance(info, dict) else {}


def failed(error: Object, uri: Json) -> dict[str, Json]:
    """Return an error with a code that may stand in 2026-07-28 (rule 25).

    A resource that is not there is named by `uri`, as that revision does.
    """
    code = error.get("code")
    if code == _NOT_FOUND:
        data: Json = {"uri": uri} if isinstance(uri, str) else error.get("data")
        text = f"Resource not found: {uri}" if isinstance(uri, str) else error.get("message")
        return {**error, "code": _INVALID_PARAMS, "message": text, "data": data}
    if isinstance(code, int) and code in _UNDEFINED:
        return {**error, "code": _INTERNAL}
    return dict(error)


def asking(questions: Mapping[str, Request], state: str) -> dict[str, Json]:
    """Return the result that asks the client for what the server asked in its session, by name."""
    entries: dict[str, Json] = {name: entry_of(asked) for name, asked in questions.items()}
    return _needing(entries, state)


def entry_of(asked: Request) -> dict[str, Json]:
    """Return what a server asked in its session as an entry of `inputRequests`."""
    kept = {name: value for name, value in asked.params.items() if name not in _OF_A_SESSION}
    return {"method": asked.method, "params": kept}


def _needing(entries: dict[str, Json], state: str) -> dict[str, Json]:
    return {"resultType": "input_required", "inputRequests": entries, "requestState": state}


def links(error: Object, state: str) -> dict[str, Json] | None:
    """Return the result that asks the person to open the addresses of a URL_NEEDED error."""
    data = error.get("data")
    found = data.get("elicitations") if isinstance(data, dict) else None
    if error.get("code") != URL_NEEDED or not isinstance(found, list) or not found:
        return None
    entries: dict[str, Json] = {}
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            return None
        params = {"mode": "url", "message": one.get("message", ""), "url": one.get("url")}
        entries[f"link-{index + 1}"] = {"method": "elicitation/create", "params": params}
    return _needing(entries, state)


def told(note: Notification, *, token: Json, level: str | None) -> dict[str, Json] | None:
    """Return a notification on a call's stream as it goes to the client, None where it does not.

    `token` is the client's progress token; log messages below `level` were not asked for. What has
    no place on such a stream in 2026-07-28 is the relay's to drop, and to record.
    """
    if note.method == "notifications/progress":
        params = {**note.params, "progressToken": token}
        return None if token is None else {**note.whole, "params": params}
    if note.method == "notifications/message":
        said = note.params.get("level")
        passes = level is not None and said in LEVELS[LEVELS.index(level) :]
        return dict(note.whole) if passes else None
    return dict(note.whole)


# -- subscriptions/listen ----------------------------------------------------------------------


def audible(wanted: Object, initialized: Object) -> dict[str, Json]:
    """Return what of a listen request's `wanted` the server says that it can tell."""
    can = offered(initialized)
    kept: dict[str, Json] = {
        flag: True
        for flag, kind in CHANGES.values()
        if wanted.get(flag) is True and _has(can, kind, "listChanged")
    }
    if wanted.get(_URIS) and _has(can, "resources", "subscribe"):
        kept[_URIS] = wanted[_URIS]
    if wanted.get(_TASKS) and offers(initialized):
        kept[_TASKS] = wanted[_TASKS]
    return kept


def acknowledged(kept: Object, listen_id: Id) -> dict[str, Json]:
    """Return the first message of a listen stream, which tells of `kept`."""
    return {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"notifications": dict(kept), "_meta": {META_SUBSCRIPTION: listen_id}},
    }


def over(listen_id: Id) -> dict[str, Json]:
    """Return the last message of a listen stream."""
    result: Json = {"resultType": "complete", "_meta": {META_SUBSCRIPTION: listen_id}}
    return {"jsonrpc": "2.0", "id": listen_id, "result": result}


def _has(can: Object, kind: str, what: str) -> bool:
    capability = can.get(kind)
    return isinstance(capability, dict) and capability.get(what) is True


def heard(note: Notification, kept: Object, listen_id: Id) -> dict[str, Json] | None:
    """Return a notification of a session's own stream for a listen stream that told of `kept`."""
    if note.method == _UPDATED:
        uris = kept.get(_URIS)
        wanted = isinstance(uris, list) and note.params.get("uri") in uris
    else:
        flag, _ = CHANGES.get(note.method, ("", ""))
        wanted = kept.get(flag) is True
    if not wanted:
        return None
    meta = note.params.get("_meta")
    tagged = {**(meta if isinstance(meta, dict) else {}), META_SUBSCRIPTION: listen_id}
    return {**note.whole, "params": {**note.params, "_meta": tagged}}
