"""The SDK's everything-server with names as they are behind a joined route; usage: … PORT.

The conformance suite calls `test_simple_text`. Of a server that the route calls `test` that is the
tool `simple_text`, so here each name is without its first part.
"""

import sys

from mcp_everything_server.server import event_store, mcp  # type: ignore[import-not-found]  # a path of its own


def _shorten() -> None:
    for named in (mcp._tool_manager._tools, mcp._prompt_manager._prompts):
        for name, one in tuple(named.items()):
            del named[name]
            one.name = name.partition("_")[2]
            named[one.name] = one


if __name__ == "__main__":
    _shorten()
    port = int(sys.argv[1])
    mcp.run("streamable-http", port=port, event_store=event_store, retry_interval=100)
