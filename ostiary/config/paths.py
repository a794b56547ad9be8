"""Paths that belong to the gateway itself on every origin: no route can have them."""

from typing import Final

__all__ = ["RESERVED_PATHS", "is_reserved"]

RESERVED_PATHS: Final = (
    "/.well-known",
    "/account",
    "/authorize",
    "/internal",
    "/login",
    "/register",
    "/revoke",
    "/token",
)
"""Each with everything below it."""


def is_reserved(path: str) -> bool:
    """Say whether a raw path is one of the gateway's own, or below one."""
    return any(path == taken or path.startswith(f"{taken}/") for taken in RESERVED_PATHS)
