"""MCP as pure values: strict envelopes, the methods of each revision, server-sent events."""
