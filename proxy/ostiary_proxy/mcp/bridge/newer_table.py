"""What becomes of each message where a legacy client meets a server of 2026-07-28 alone.

docs/concepts/eras.md shows these tables; a method that stands in none is refused like an unknown
one.
"""

from collections.abc import Mapping
from typing import Final

from ostiary_proxy.mcp.bridge.way import Way

__all__ = ["NOTIFICATIONS", "REQUESTS", "TOLD", "WANTED"]

REQUESTS: Final[Mapping[str, Way]] = {
    "initialize": Way.TRANSLATED,
    "ping": Way.ANSWERED,
    "tools/list": Way.FORWARDED,
    "tools/call": Way.FORWARDED,
    "prompts/list": Way.FORWARDED,
    "prompts/get": Way.FORWARDED,
    "resources/list": Way.FORWARDED,
    "resources/templates/list": Way.FORWARDED,
    "resources/read": Way.FORWARDED,
    "resources/subscribe": Way.KEPT,
    "resources/unsubscribe": Way.KEPT,
    "completion/complete": Way.FORWARDED,
    "logging/setLevel": Way.KEPT,
    "tasks/get": Way.TRANSLATED,
    "tasks/result": Way.TRANSLATED,
    "tasks/list": Way.TRANSLATED,
    "tasks/cancel": Way.TRANSLATED,
}
"""Requests of the client."""

NOTIFICATIONS: Final[Mapping[str, Way]] = {
    "notifications/initialized": Way.ANSWERED,
    "notifications/cancelled": Way.TRANSLATED,
    "notifications/progress": Way.DROPPED,
    "notifications/roots/list_changed": Way.DROPPED,
    "notifications/tasks/status": Way.DROPPED,
}
"""Notifications of the client."""

WANTED: Final[Mapping[str, Way]] = {
    "sampling/createMessage": Way.TRANSLATED,
    "elicitation/create": Way.TRANSLATED,
    "roots/list": Way.TRANSLATED,
}
"""What the server asks for inside a result."""

TOLD: Final[Mapping[str, Way]] = {
    "notifications/progress": Way.FORWARDED,
    "notifications/message": Way.FORWARDED,
    "notifications/tools/list_changed": Way.FORWARDED,
    "notifications/prompts/list_changed": Way.FORWARDED,
    "notifications/resources/list_changed": Way.FORWARDED,
    "notifications/resources/updated": Way.FORWARDED,
    "notifications/subscriptions/acknowledged": Way.DROPPED,
    "notifications/cancelled": Way.TRANSLATED,
    "notifications/tasks": Way.TRANSLATED,
}
"""Notifications of the server."""
