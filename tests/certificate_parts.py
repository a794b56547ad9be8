"""Certificate authorities and certificates for tests, as files."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Pair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority whose files go to `place`; its own are ca.crt and ca.key."""

    def __init__(self, place: Path, name: str = "authority") -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place = place
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        usage = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(self._name, self._name, self._key).add_extension(usage, critical=True)
        self.file = place / "ca.crt"
        self.file.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def issue(
        self,
        name: str,
        *,
        file: str,
        client: bool = True,
        server: bool = False,
        days: float = 1,
        own: bool = False,
    ) -> Pair:
        """Issue a certificate with the DNS name `name`; `own` signs it with its own key."""
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [
            *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else []),
            *([ExtendedKeyUsageOID.SERVER_AUTH] if server else []),
        ]
        issuer = _name(name) if own else self._name
        builder = _builder(_name(name), issuer, key, days=days)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        signed = builder.sign(key if own else self._key, hashes.SHA256())
        pair = Pair(certificate=self._place / f"{file}.crt", key=self._place / f"{file}.key")
        pair.certificate.write_bytes(_pem(signed))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: float = 1
) -> x509.CertificateBuilder:
    """Return a certificate to be signed; where `days` is negative it has ended already."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
    )
