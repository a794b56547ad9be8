"""A client of 2026-07-28 before a server of older revisions."""
