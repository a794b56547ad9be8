"""TLS of the public port: whoever connects is shown the certificate of the host that they name.

Certificates come with the bundle and are taken for new handshakes; nobody who is connected is let
go. One that can't serve its hosts leaves the last good one of these hosts in use.
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Bundle, Certificate
from ostiary.crypto.certificate import read_certificate
from ostiary.crypto.secret import Secret
from ostiary_proxy.pipeline.routes import ClosedFault

__all__ = ["PublicTls"]

_UNKNOWN: Final = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A certificate in use, and what it was made of."""

    chain: Secret
    key: Secret
    context: ssl.SSLContext


class PublicTls:
    """What `context` shows; a host without a certificate gets no handshake.

    `faults` name the certificates of the last bundle that were not taken.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: dict[str, _Held] = {}
        self.faults: tuple[ClosedFault, ...] = ()
        self.context = _context()
        self.context.sni_callback = self._choose

    def take(self, bundle: Bundle) -> None:
        """Use the certificates of `bundle`; those that there are stay where it wants no TLS.

        For then this process, which was started for TLS, is about to be replaced.
        """
        gateway, held, faults = bundle.config.gateway, {}, []
        if gateway.tls is None:
            return
        for certificate in gateway.tls.certificates:
            hostname = certificate.hostname
            old = self._held.get(hostname)
            try:
                held[hostname] = self._taken(certificate, bundle.credentials, old)
            except ValueError as error:
                goes_on = "no handshake for it" if old is None else "the last good one goes on"
                faults.append(f"the certificate of {hostname} is not used ({goes_on}): {error}")
                held |= {} if old is None else {hostname: old}
        key = f"{gateway.namespace}/{gateway.name}"
        self.faults = tuple(ClosedFault(kind="MCPGateway", key=key, message=f) for f in faults)
        self._held = held

    def _taken(
        self, certificate: Certificate, credentials: Mapping[str, Secret], old: _Held | None
    ) -> _Held:
        """Return what to show for a certificate; raises ValueError where it can't serve."""
        chain, key = (credentials.get(name or "") for name in (certificate.chain, certificate.key))
        if chain is None or key is None:
            raise ValueError("its Secret is not there")
        if old is not None and (old.chain, old.key) == (chain, key):
            return old
        fault = read_certificate(chain, key).fault(certificate.hostname, self._now())
        if fault is not None:
            raise ValueError(fault)
        return _Held(chain=chain, key=key, context=_serving(chain, key))

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> int | None:
        """Show the certificate of the host `name`; the exact one comes before the wildcard."""
        host = (name or "").lower()
        held = self._held.get(host) or self._held.get(f"*.{host.partition('.')[2]}")
        if held is None:
            return _UNKNOWN
        connection.context = held.context
        return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _serving(chain: Secret, key: Secret) -> ssl.SSLContext:
    """Return a context with a certificate; raises ValueError for one that OpenSSL refuses."""
    context = _context()
    # The library reads certificates from files only: this one is in memory and has no name.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(f"{key.reveal()}\n{chain.reveal()}".encode())
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as error:
            raise ValueError(f"OpenSSL refuses it: {error.reason}") from None
    return context
