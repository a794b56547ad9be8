"""Certificates of an authority of our own: those of a gateway's admin ports, that of the webhook.

Pure but for fresh keys: `now` is epoch seconds, and data of Secrets goes in and comes out. What is
still good comes out as it went in; the rest is made anew, at two thirds of its life at the latest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ostiary.crypto.secret import Secret
from ostiary.translate.names import OPERATOR_NAME

__all__ = ["Certified", "SecretData", "is_due", "operator_pair", "renew_authority", "renew_server"]

SecretData = Mapping[str, Secret]
"""The text values of a Secret by key."""

_AUTHORITY: Final = timedelta(days=3650)
_SERVER: Final = timedelta(days=90)
_OPERATOR: Final = timedelta(hours=24)
_SKEW: Final = timedelta(minutes=10)
"""How far the clocks of two nodes may be apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certificate (others of its chain may follow it) and its private key, both PEM."""

    certificate: str
    key: Secret

    @property
    def leaf(self) -> x509.Certificate:
        """Return the certificate itself."""
        return x509.load_pem_x509_certificate(self.certificate.encode())

    @property
    def signer(self) -> ec.EllipticCurvePrivateKey:
        """Return the private key; raises ValueError for one of another kind."""
        key = load_pem_private_key(self.key.reveal().encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("not a key of ours")  # noqa: TRY004 - bad input, not a bug
        return key


def renew_authority(found: SecretData, name: str, now: float) -> SecretData:
    """Return `ca.crt` and `ca.key` of an authority.

    Beside a new certificate the old one stays trusted, for not everybody hears of it at once.
    """
    old = _read(found, "ca")
    if old is not None and not is_due(old.leaf, now):
        return found
    fresh = _certify(name, None, None, now, _AUTHORITY)
    trusted = fresh.certificate + ("" if old is None else _pem(old.leaf))
    return {"ca.crt": Secret(trusted), "ca.key": fresh.key}


def renew_server(found: SecretData, authority: SecretData, name: str, now: float) -> SecretData:
    """Return `ca.crt`, `tls.crt` and `tls.key` for a server that has the DNS name `name`."""
    issuer = _authority(authority)
    old = _read(found, "tls")
    trusted = authority["ca.crt"]
    if old is not None and found.get("ca.crt") == trusted and _serves(old, issuer, name, now):
        return found
    fresh = _certify(name, issuer, ExtendedKeyUsageOID.SERVER_AUTH, now, _SERVER)
    return {"ca.crt": trusted, "tls.crt": Secret(fresh.certificate), "tls.key": fresh.key}


def operator_pair(authority: SecretData, now: float) -> Certified:
    """Return a certificate with which the operator calls the proxies of a gateway for a day."""
    issuer = _authority(authority)
    return _certify(OPERATOR_NAME, issuer, ExtendedKeyUsageOID.CLIENT_AUTH, now, _OPERATOR)


def is_due(certificate: x509.Certificate, now: float) -> bool:
    """Say whether a certificate has come to two thirds of its life."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return datetime.fromtimestamp(now, UTC) >= start + (end - start) * 2 / 3


def _authority(found: SecretData) -> Certified:
    return Certified(certificate=found["ca.crt"].reveal(), key=found["ca.key"])


def _read(found: SecretData, name: str) -> Certified | None:
    """Return what a Secret holds under `<name>.crt` and `.key` where the two belong together."""
    try:
        pair = Certified(certificate=found[f"{name}.crt"].reveal(), key=found[f"{name}.key"])
        return pair if pair.leaf.public_key() == pair.signer.public_key() else None
    except (KeyError, ValueError, TypeError):
        return None


def _serves(pair: Certified, issuer: Certified, name: str, now: float) -> bool:
    try:
        pair.leaf.verify_directly_issued_by(issuer.leaf)
    except (ValueError, TypeError, InvalidSignature):
        return False
    names = pair.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    right = names.get_values_for_type(x509.DNSName) == [name]
    return right and not is_due(pair.leaf, now)


def _certify(
    name: str,
    issuer: Certified | None,
    usage: x509.ObjectIdentifier | None,
    now: float,
    life: timedelta,
) -> Certified:
    """Return a fresh key certified by `issuer`, by itself (an authority) without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has an end; what counts is the alternative name, which has none.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    signer = key if issuer is None else issuer.signer
    start = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.leaf.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(start + life)
        .add_extension(_constraints(authority=issuer is None), critical=True)
        .add_extension(_key_usage(authority=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if usage is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    certificate = builder.sign(signer, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certified(certificate=_pem(certificate), key=Secret(private.decode()))


def _constraints(*, authority: bool) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=authority, path_length=0 if authority else None)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
