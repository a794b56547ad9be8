"""Addresses that people write in the kinds: origins, URLs, CIDRs, and which hosts are loopback."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "check_cidr", "check_origin", "check_path", "check_provider_url", "check_url",
    "is_loopback", "origin_of", "split_url",
]  # fmt: skip

_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9_]*[a-z0-9])?)*")
_NUMERIC: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")


def split_url(text: str) -> SplitResult:
    """Return the parts of an absolute http or https URL, its host in lower case.

    Raises ValueError for anything that two parsers might read differently: user names, white
    space, backslashes, odd hosts, numeric hosts that are no IP address.
    """
    if not text.isascii() or not text.isprintable() or re.search(r"[\s\\]", text):
        raise ValueError("a URL can't hold spaces, backslashes or characters beyond ASCII")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("write an absolute URL such as https://host.example.com")
    if "@" in parts.netloc:
        raise ValueError("a URL can't hold a user name or password")
    _check_host(parts.hostname)
    if parts.port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the port is missing after the colon")
    return parts


def _check_host(host: str) -> None:
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif _NUMERIC.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError("a numeric host must be an IP address in dotted form") from None
    elif not _HOST.fullmatch(host) or len(host) > 253:
        raise ValueError("the host is not a DNS name")


def origin_of(parts: SplitResult) -> str:
    """Return scheme, host and port without the scheme's own port, in lower case."""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = parts.port
    suffix = "" if port is None or port == _PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}"


def is_loopback(host: str | None) -> bool:
    """Say whether a host name or IP literal is this machine's own: localhost, 127.0.0.0/8, ::1."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_origin(text: str) -> str:
    """Return a public origin unchanged; raises ValueError where it has more, or is plain http."""
    parts = split_url(text)
    if parts.path or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("write the origin only (scheme, host, port), without a path")
    if origin_of(parts) != text:
        raise ValueError(f"write it as {origin_of(parts)}")
    return _encrypted_or_loopback(text, parts)


def check_provider_url(text: str) -> str:
    """Return the URL of an identity provider or authorization server; https unless on loopback."""
    parts = split_url(text)
    if parts.fragment:
        raise ValueError("a URL here can't have a fragment")
    return _encrypted_or_loopback(text, parts)


def _encrypted_or_loopback(text: str, parts: SplitResult) -> str:
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ValueError("write https; plain http is for loopback only")
    return text


def check_url(text: str) -> str:
    """Return the URL of an MCP server unchanged; http is fine inside a cluster."""
    parts = split_url(text)
    if parts.fragment or text.endswith("#"):
        raise ValueError("a URL here can't have a fragment")
    return text


def check_path(path: str) -> str:
    """Return an exact URL path.

    Raises ValueError for dot segments, empty segments and percent-encoding, which routes never
    match (security decision 3).
    """
    if path in ("", "/"):
        return path
    if not _PATH.fullmatch(path) or path.endswith("/"):
        raise ValueError(
            "a path here is made of plain segments: no percent-encoding, no //, no / at its end"
        )
    if any(segment in (".", "..") for segment in path.split("/")):
        raise ValueError("a path can't hold the segments . and ..")
    return path


def check_cidr(text: str) -> str:
    """Return a network in CIDR form unchanged; raises ValueError otherwise."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("write a network in CIDR form, such as 10.0.0.0/8") from None
    return text
