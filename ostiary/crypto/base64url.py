"""Base64 as URLs and cookies carry it, and the PKCE challenge that is made with it."""

import base64
import hashlib

__all__ = ["base64url", "s256"]


def base64url(data: bytes) -> str:
    """Return `data` in base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def s256(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return base64url(hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest())
