"""Keys that differ from the protocol's only by case: some peers read them as equal (decision 7).

Go's decoder matches keys without regard to case and folds U+017F and U+212A; others stop at NUL. So
in objects whose keys the protocol names such a key is refused; arguments, schemas and
structuredContent are the peers' own and are left alone.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.decode.strict_json import Json

__all__ = [
    "ENVELOPE", "ERROR", "INPUT", "ITEM", "META", "PARAMS", "REF", "RESULT", "TASK", "Keys",
]  # fmt: skip


class Keys:
    """The keys that the protocol names in one kind of object."""

    __slots__ = ("_folded", "names")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self._folded = frozenset(name.casefold() for name in self.names)

    def odd(self, value: Mapping[str, Json]) -> str | None:
        """Return a key of `value` that passes for a protocol key without being one, or None."""
        if value.keys() <= self.names:
            return None
        return next((key for key in value if key not in self.names and self._like(key)), None)

    def _like(self, key: str) -> bool:
        return "\0" in key or key.casefold() in self._folded


ENVELOPE: Final = Keys(("jsonrpc", "id", "method", "params", "result", "error"))
ERROR: Final = Keys(("code", "message", "data"))
PARAMS: Final = Keys(
    (
        "_meta", "argument", "arguments", "capabilities", "clientInfo", "context", "cursor",
        "inputResponses", "level", "name", "notifications", "progressToken", "protocolVersion",
        "ref", "requestId", "requestState", "task", "taskId", "uri",
    )
)  # fmt: skip
META: Final = Keys(
    (
        "progressToken", "traceparent", "tracestate", "baggage",
        "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/clientInfo", "io.modelcontextprotocol/logLevel",
        "io.modelcontextprotocol/subscriptionId", "io.modelcontextprotocol/serverInfo",
        "io.modelcontextprotocol/related-task",
    )
)  # fmt: skip
REF: Final = Keys(("type", "name", "uri"))
INPUT: Final = Keys(
    (
        "action", "content", "method", "model", "params", "resourceSubscriptions", "role", "roots",
        "stopReason", "promptsListChanged", "resourcesListChanged", "toolsListChanged", "taskIds",
    )
)  # fmt: skip
RESULT: Final = Keys(
    (
        "_meta", "cacheScope", "capabilities", "completion", "content", "contents", "inputRequests",
        "instructions", "isError", "messages", "nextCursor", "prompts", "protocolVersion",
        "requestState", "resourceTemplates", "resources", "resultType", "serverInfo",
        "structuredContent", "supportedVersions", "task", "taskId", "tasks", "tools", "ttlMs",
    )
)  # fmt: skip
ITEM: Final = Keys(("name", "uri", "uriTemplate", "type", "text", "resource", "blob"))
TASK: Final = Keys(
    (
        "createdAt", "error", "inputRequests", "lastUpdatedAt", "pollInterval", "pollIntervalMs",
        "result", "status", "statusMessage", "taskId", "ttl", "ttlMs",
    )
)  # fmt: skip
