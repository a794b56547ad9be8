"""What becomes of each message where a 2026-07-28 client meets a server of older revisions alone.

docs/concepts/eras.md shows these tables; a method that stands in none is refused like an unknown
one.
"""

from collections.abc import Mapping
from typing import Final

from ostiary_proxy.mcp.bridge.way import Way

__all__ = ["ASKED", "NEEDED", "NOTIFICATIONS", "REQUESTS", "TOLD"]

REQUESTS: Final[Mapping[str, Way]] = {
    "server/discover": Way.TRANSLATED,
    "tools/list": Way.FORWARDED,
    "tools/call": Way.FORWARDED,
    "prompts/list": Way.FORWARDED,
    "prompts/get": Way.FORWARDED,
    "resources/list": Way.FORWARDED,
    "resources/templates/list": Way.FORWARDED,
    "resources/read": Way.FORWARDED,
    "completion/complete": Way.FORWARDED,
    "subscriptions/listen": Way.TRANSLATED,
    "tasks/get": Way.TRANSLATED,
    "tasks/update": Way.TRANSLATED,
    "tasks/cancel": Way.TRANSLATED,
}
"""Requests of the client."""

NOTIFICATIONS: Final[Mapping[str, Way]] = {"notifications/cancelled": Way.ANSWERED}
"""Notifications of the client."""

ASKED: Final[Mapping[str, Way]] = {
    "ping": Way.ANSWERED,
    "elicitation/create": Way.TRANSLATED,
    "sampling/createMessage": Way.TRANSLATED,
    "roots/list": Way.TRANSLATED,
    "tasks/get": Way.REFUSED,
    "tasks/result": Way.REFUSED,
    "tasks/list": Way.REFUSED,
    "tasks/cancel": Way.REFUSED,
}
"""Requests of the server."""

TOLD: Final[Mapping[str, Way]] = {
    "notifications/progress": Way.FORWARDED,
    "notifications/message": Way.FORWARDED,
    "notifications/tools/list_changed": Way.FORWARDED,
    "notifications/prompts/list_changed": Way.FORWARDED,
    "notifications/resources/list_changed": Way.FORWARDED,
    "notifications/resources/updated": Way.FORWARDED,
    "notifications/cancelled": Way.DROPPED,
    "notifications/elicitation/complete": Way.DROPPED,
    "notifications/tasks/status": Way.TRANSLATED,
}
"""Notifications of the server."""

NEEDED: Final[Mapping[str, str]] = {
    "tools/list": "tools",
    "tools/call": "tools",
    "prompts/list": "prompts",
    "prompts/get": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
    "resources/read": "resources",
    "completion/complete": "completions",
}
"""The capability that a server declares for a method; without it the method is not there."""
