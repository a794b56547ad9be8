"""Messages of one era of MCP turned into those of the other: pure values in and out."""
