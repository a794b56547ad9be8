"""The certificates of a gateway's hosts: whether their Secrets are there and can serve them.

One that can't is given to the proxies all the same: they keep the last good one, and know their
own time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Certificate, Tls
from ostiary.crypto.certificate import CertificateFacts, read_certificate
from ostiary.crypto.secret import Secret
from ostiary.resources.gateway import MCPGateway
from ostiary.resources.listener import Listener
from ostiary.resources.meta import SecretKeyRef
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.references import References, SecretKey

__all__ = ["Secured", "certificate_in", "secure"]

_CHAIN: Final = "tls.crt"
_KEY: Final = "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """What TLS comes to: the values that it takes, and what stands against it."""

    tls: Tls | None
    credentials: frozenset[SecretKey]
    problems: tuple[Problem, ...]


def certificate_in(values: Mapping[str, Secret]) -> CertificateFacts | str | None:
    """Return what the certificate in a Secret says, or why it is none; None where it holds none.

    Values that are empty are not known: `ostiary render` expands no variables.
    """
    chain, key = values.get(_CHAIN, Secret("")), values.get(_KEY, Secret(""))
    if not chain.reveal() or not key.reveal():
        return None
    try:
        return read_certificate(chain, key)
    except ValueError as error:
        return str(error)


def secure(gateway: MCPGateway, references: References, now: float) -> Secured:
    """Return the certificates of a gateway's listeners."""
    certificates: list[Certificate] = []
    credentials: set[SecretKey] = set()
    problems: list[Problem] = []
    for index, listener in enumerate(gateway.spec.listeners):
        if listener.tls is None:
            continue
        path = f"spec.listeners[{index}].tls.certificateRefs[0]"
        found = _pair(listener, references, gateway.metadata.namespace, path)
        if isinstance(found, Problem):
            problems.append(found)
            certificates.append(Certificate(hostname=listener.hostname))
            continue
        chain, key = found
        credentials |= {chain, key}
        certificates.append(
            Certificate(hostname=listener.hostname, chain=chain.credential, key=key.credential)
        )
        fault = _fault(references.certificate(chain), listener.hostname, now)
        if fault is not None:
            problems.append(_invalid(f"the Secret {chain.name}: {fault}", path))
    return Secured(
        tls=Tls(certificates=tuple(certificates)) if certificates else None,
        credentials=frozenset(credentials),
        problems=tuple(problems),
    )


def _pair(
    listener: Listener, references: References, namespace: str, path: str
) -> tuple[SecretKey, SecretKey] | Problem:
    assert listener.tls is not None
    name = listener.tls.certificate_refs[0].name
    chain = references.secret(SecretKeyRef(name=name, key=_CHAIN), namespace, path)
    key = references.secret(SecretKeyRef(name=name, key=_KEY), namespace, path)
    if isinstance(chain, Problem):
        return chain
    return key if isinstance(key, Problem) else (chain, key)


def _fault(certificate: CertificateFacts | str | None, hostname: str, now: float) -> str | None:
    if isinstance(certificate, CertificateFacts):
        return certificate.fault(hostname, now)
    return certificate


def _invalid(message: str, path: str) -> Problem:
    return Problem(
        condition=Condition.RESOLVED_REFS,
        reason=Reason.CERTIFICATE_INVALID,
        message=message,
        path=path,
    )
