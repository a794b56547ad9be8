"""MCP as pure values: envelope, methods by revision, eras, events, shapes of results."""
