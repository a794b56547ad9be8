"""Certificates of servers: what one says of itself, and whether it can serve a host."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ostiary.crypto.secret import Secret

__all__ = ["CertificateFacts", "read_certificate"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What everybody may know: the DNS names that a certificate is for, and from when to when.

    Times are epoch seconds.
    """

    names: tuple[str, ...]
    starts: float
    ends: float

    def fault(self, hostname: str, now: float) -> str | None:
        """Return why it can't serve a host, or hosts such as *.example.com; None where it can."""
        if now >= self.ends:
            return f"the certificate ended at {_shown(self.ends)}; renew it"
        if now < self.starts:
            return f"the certificate begins at {_shown(self.starts)} only"
        if not any(_meet(name.lower(), hostname) for name in self.names):
            return f"the certificate is for {', '.join(self.names[:8]) or 'no host'}"
        return None


def read_certificate(chain: Secret, key: Secret) -> CertificateFacts:
    """Return the facts of the first certificate in `chain` (PEM); raises ValueError, saying why.

    The common name counts for nothing, as with every client of today.
    """
    leaf = _read(chain, _leaf, "tls.crt holds no PEM certificate that can be read")
    owner = _read(key, _private, "tls.key holds no PEM private key without a password")
    if owner != leaf.public_key():
        raise ValueError("tls.key is not the key of the certificate in tls.crt")
    return CertificateFacts(
        names=_names(leaf),
        starts=leaf.not_valid_before_utc.timestamp(),
        ends=leaf.not_valid_after_utc.timestamp(),
    )


def _read(text: Secret, read: Callable[[bytes], T], otherwise: str) -> T:
    try:
        return read(text.reveal().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise ValueError(otherwise) from None


def _leaf(pem: bytes) -> x509.Certificate:
    """Return the certificate, its extensions and key looked at: they are read late."""
    leaf = x509.load_pem_x509_certificates(pem)[0]
    _names(leaf)
    leaf.public_key()
    return leaf


def _private(pem: bytes) -> object:
    """Return the public half of a private key."""
    return load_pem_private_key(pem, None).public_key()


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _meet(name: str, hostname: str) -> bool:
    """Say whether there is a host for which both stand; either may have a wildcard."""
    return name == hostname or any(
        pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]
        for pattern, host in ((name, hostname), (hostname, name))
    )


def _shown(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
