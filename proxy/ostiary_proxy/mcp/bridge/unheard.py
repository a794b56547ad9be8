"""What a server says that nobody asked it, or that the client's revision has no place for.

In its place goes a notification that no revision knows: the way back drops that and writes it down.
"""

from typing import Final

from ostiary_proxy.mcp.message import Message, Notification, Object, Request, Response

__all__ = ["unheard"]

_LONGEST: Final = 256


def unheard(message: Message) -> Notification:
    """Return a notification that says by its name what `message` was."""
    if isinstance(message, Response):
        name = f"response:{message.id}"
    else:
        kind = "request" if isinstance(message, Request) else "notification"
        name = f"{kind}:{message.method}"
    whole: Object = {"jsonrpc": "2.0", "method": name[:_LONGEST]}
    return Notification(method=name[:_LONGEST], whole=whole)
