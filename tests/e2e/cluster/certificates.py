"""The cluster's certificate authority and what it signs: one certificate a component."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from e2e.cluster.layout import API_SERVICE_IP, NODE, NODE_IP

__all__ = ["write_certificates"]

_LIFE = dt.timedelta(days=30)
_SKEW = dt.timedelta(hours=1)
_BOTH_ENDS = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
)
_SERVICE = "kubernetes.default.svc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a certificate is for: file, user name, groups, and its names as a server."""

    file: str
    name: str
    groups: Sequence[str] = ()
    hosts: Sequence[str] = ()


HOLDERS = (
    Holder(
        file="apiserver",
        name="kube-apiserver",
        hosts=(
            "127.0.0.1", NODE_IP, API_SERVICE_IP, "localhost",
            "kubernetes", "kubernetes.default", _SERVICE, f"{_SERVICE}.cluster.local",
        ),
    ),
    Holder(file="admin", name="admin", groups=("system:masters",)),
    Holder(file="kubelet-client", name="kube-apiserver", groups=("system:masters",)),
    Holder(file="front-proxy", name="front-proxy-client"),
    Holder(file="controller-manager", name="system:kube-controller-manager"),
    Holder(file="scheduler", name="system:kube-scheduler"),
    Holder(file="proxy", name="system:kube-proxy"),
    Holder(
        file="kubelet",
        name=f"system:node:{NODE}",
        groups=("system:nodes",),
        hosts=(NODE, NODE_IP),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The certificate authority: its name and its key."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    def sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool
    ) -> x509.CertificateBuilder:
        """Return a certificate of `key`, yet to be given its extensions and signed."""
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LIFE)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def write_certificates(folder: Path) -> None:
    """Write keys and certificates of all components, and the key pair of service accounts."""
    folder.mkdir()
    authority = Authority(name=_named("cluster-ca"), key=_new_key())
    own = authority.sign(authority.name, authority.key.public_key(), authority=True)
    _write(folder / "ca", authority.key, own.sign(authority.key, hashes.SHA256()))
    for holder in HOLDERS:
        key = _new_key()
        _write(folder / holder.file, key, _certificate(holder, key, authority))
    accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(folder / "accounts", accounts)
    public = accounts.public_key()
    (folder / "accounts.pub").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def _certificate(
    holder: Holder, key: ec.EllipticCurvePrivateKey, authority: Authority
) -> x509.Certificate:
    subject = _named(holder.name, holder.groups)
    builder = authority.sign(subject, key.public_key(), authority=False)
    builder = builder.add_extension(_BOTH_ENDS, critical=False)
    if holder.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in holder.hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _named(name: str, groups: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _write(
    stem: Path,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    certificate: x509.Certificate | None = None,
) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    stem.with_suffix(".key").write_bytes(private)
    if certificate is not None:
        stem.with_suffix(".crt").write_bytes(certificate.public_bytes(Encoding.PEM))
