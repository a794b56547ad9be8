"""Sockets and HTTP: the public port (MCP and web), the status port, the admin port."""
