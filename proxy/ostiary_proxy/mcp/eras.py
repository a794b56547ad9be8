"""Which revision a message belongs to, decided from the request, not the route (pitfall 8).

A 2026-07-28 request says so in `_meta` or in the version header; then every check of that revision
applies, so that one sign without the other is an error and not a way around the checks. Everything
else is legacy: initialize, or a session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Message, Notification, Object, Request, Response
from ostiary_proxy.mcp.methods import MODERN, client_requests
from ostiary_proxy.mcp.mirrored import BadMirror, decode_mirror
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers

__all__ = [
    "META_CAPABILITIES", "META_CLIENT_INFO", "META_LOG_LEVEL", "META_SERVER_INFO",
    "META_SUBSCRIPTION", "META_VERSION", "Modern", "check_modern", "check_version_header",
    "is_modern", "wanted_version",
]  # fmt: skip

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
META_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_NONE: Final[Mapping[str, Json]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modern:
    """What a 2026-07-28 request says about itself, checked."""

    capabilities: Object = field(default_factory=dict)
    log_level: bool = False
    progress: Json = None


def is_modern(version_header: str | None, message: Message) -> bool:
    """Say whether `message` has to keep to the rules of 2026-07-28."""
    if isinstance(message, Response):
        return version_header == MODERN
    return version_header == MODERN or META_VERSION in _meta(message.params)


def _meta(params: Object) -> Object:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else _NONE


def check_modern(message: Message, headers: Headers) -> Modern:
    """Return what the request says about itself.

    Raises Refused for the first check that fails: a response (rule 6), `_meta` (22), headers
    against body (9, 11 to 14), the version (20).
    """
    if isinstance(message, Response):
        raise Refused("InvalidRequest", message="responses are not posted in 2026-07-28")
    meta = _meta(message.params)
    if isinstance(message, Request):
        _check_meta(meta)
    found = _once(headers)
    _check_headers(message, meta, found)
    requested = meta.get(META_VERSION, MODERN)
    if requested != MODERN:
        # Older revisions are reached by initialize, never by a request of this form.
        data: Json = {"supported": [MODERN], "requested": requested}
        raise Refused("UnsupportedProtocolVersion", data=data)
    capabilities = meta.get(META_CAPABILITIES)
    return Modern(
        capabilities=capabilities if isinstance(capabilities, dict) else _NONE,
        log_level=META_LOG_LEVEL in meta,
        progress=meta.get("progressToken"),
    )


def _check_meta(meta: Object) -> None:
    if not isinstance(meta.get(META_VERSION), str):
        raise Refused("InvalidParams", message=f"params._meta needs {META_VERSION}, a string")
    if not isinstance(meta.get(META_CAPABILITIES), dict):
        raise Refused("InvalidParams", message=f"params._meta needs {META_CAPABILITIES}, an object")


def _once(headers: Headers) -> Mapping[str, str]:
    """Return the headers that mirror the body; each may stand once, parameters too (rule 14)."""
    found: dict[str, str] = {}
    for name, value in headers:
        if not (name in _MIRRORING or name.startswith("mcp-param-")):
            continue
        if name in found:
            raise Refused("HeaderMismatch", message=f"the header {name[:80]} stands twice")
        if not value.isascii():
            raise Refused("HeaderMismatch", message=f"the header {name[:80]} is not ASCII")
        found[name] = value.strip(" \t")
    return found


def _check_headers(message: Request | Notification, meta: Object, found: Mapping[str, str]) -> None:
    method, default = message.method, None if isinstance(message, Request) else message.method
    version = found.get("mcp-protocol-version")
    if version is None or version != meta.get(META_VERSION, version):
        raise Refused(
            "HeaderMismatch", message="MCP-Protocol-Version is missing or differs from _meta"
        )
    if found.get("mcp-method", default) != method:
        raise Refused("HeaderMismatch", message="Mcp-Method is missing or differs from the body")
    known = client_requests(MODERN).get(method)
    if known is not None and known.named:
        _check_name(message.params.get(known.field), found.get("mcp-name"))


def _check_name(said: Json, mirrored: str | None) -> None:
    """Compare the name; a body without one is a matter of its params, not of the header."""
    if not isinstance(said, str):
        return
    try:
        same = mirrored is not None and decode_mirror(mirrored) == said
    except BadMirror as error:
        raise Refused("HeaderMismatch", message=str(error)) from None
    if not same:
        raise Refused("HeaderMismatch", message="Mcp-Name is missing or differs from the body")


def wanted_version(params: Object) -> str:
    """Return the version that an initialize request asks for; raises Refused."""
    version = params.get("protocolVersion")
    if not isinstance(version, str) or not 0 < len(version) <= 64:
        raise Refused("InvalidParams", message="params.protocolVersion must be a string")
    return version


def check_version_header(version_header: str | None, session_version: str) -> None:
    """Compare a legacy request's header with its session (rule 10); absent means the same."""
    if version_header is None or version_header == session_version:
        return
    raise Refused(
        "InvalidRequest",
        message=f"MCP-Protocol-Version differs from the session's, which is {session_version}",
    )


_MIRRORING: Final = frozenset(("mcp-protocol-version", "mcp-method", "mcp-name"))
