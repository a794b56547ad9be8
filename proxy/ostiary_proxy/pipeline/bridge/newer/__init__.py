"""A legacy client before a server of 2026-07-28."""
