"""Bridging the two eras of MCP: what goes out and comes in where client and server differ."""
