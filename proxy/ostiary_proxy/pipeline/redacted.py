"""What a server says, after the redactions of the verdict: results, errors, params."""

from typing import Final

from ostiary.policy.redact import Redaction, redact_result
from ostiary_proxy.mcp.message import Object

__all__ = ["redacted", "redacted_error", "redacted_task"]

_SAID: Final = {"message": "text", "data": "structuredContent"}
_OPAQUE: Final = frozenset(("_meta", "nextCursor", "requestState", "resultType"))


def redacted(result: Object, redactions: tuple[Redaction, ...]) -> Object:
    """Redact what people and models read; opaque handles that the client sends back stay whole."""
    if not redactions:
        return result
    kept = {name: value for name, value in result.items() if name not in _OPAQUE}
    changed = redact_result(kept, redactions)
    if changed is kept or not isinstance(changed, dict):
        return result
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
