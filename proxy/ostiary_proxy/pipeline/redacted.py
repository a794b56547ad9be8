"""What a server says, after the redactions of the verdict: results, errors, params."""

from typing import Final

from ostiary.policy.redact import Redaction, redact_result
from ostiary_proxy.mcp.keys import META
from ostiary_proxy.mcp.message import Object

__all__ = ["redacted", "redacted_error", "redacted_task"]

_SAID: Final = {"message": "text", "data": "structuredContent"}
_OPAQUE: Final = frozenset(("nextCursor", "requestState", "resultType"))


def redacted(result: Object, redactions: tuple[Redaction, ...]) -> Object:
    """Redact what people and models read; opaque handles that the client sends back stay whole.

    So does what the protocol itself says in `_meta`; all else there is a server's own.
    """
    if not redactions:
        return result
    kept = {name: value for name, value in result.items() if name not in _OPAQUE}
    meta = result.get("_meta")
    ours = {n: v for n, v in meta.items() if n in META.names} if isinstance(meta, dict) else {}
    if isinstance(meta, dict):
        kept["_meta"] = {name: value for name, value in meta.items() if name not in ours}
    changed = redact_result(kept, redactions)
    if changed is kept or not isinstance(changed, dict):
        return result
    if isinstance(own := changed.get("_meta"), dict):
        changed["_meta"] = ours | own
    return {name: changed.get(name, value) for name, value in result.items()}


def redacted_task(task: Object, redactions: tuple[Redaction, ...]) -> Object:
    """Return a task with what it brought, an error like one that had been the answer."""
    changed, error = redacted(task, redactions), task.get("error")
    if not isinstance(error, dict):
        return changed
    clean = redacted_error(error, redactions)
    return changed if clean is error and changed is task else {**changed, "error": {**clean}}


def redacted_error(error: Object, redactions: tuple[Redaction, ...]) -> Object:
    """Return a JSON-RPC error redacted like a result; its `data` is text here, never binary."""
    said = {name: error[key] for key, name in _SAID.items() if key in error}
    changed = redacted(said, redactions)
    if changed is said:
        return error
    return {**error, **{key: changed[name] for key, name in _SAID.items() if key in error}}
