"""Mutual TLS for the admin port: who is not the operator of this gateway gets no connection.

A folder holds the certificate authority of the gateway's own (`ca.crt`), and our certificate and
key (`tls.crt`, `tls.key`). Files that change are taken for new connections.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from ostiary_proxy.watched import looks

__all__ = ["OPERATOR", "follow_files", "is_operator", "tls_context"]

log = structlog.get_logger(__name__)
OPERATOR: Final = "operator.ostiary.internal"
"""The DNS name in the operator's certificate: our own is signed by the same authority."""
_CA, _CERTIFICATE, _KEY = "ca.crt", "tls.crt", "tls.key"


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return what connections are made with; raises OSError, ssl.SSLError included.

    There are no session tickets: a resumed session would not ask for the certificate again.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.load_verify_locations(folder / _CA)
    context.load_cert_chain(folder / _CERTIFICATE, folder / _KEY)
    return context


def is_operator(transport: asyncio.BaseTransport) -> bool:
    """Say whether the certificate of the other side, which OpenSSL verified, is the operator's."""
    certificate = transport.get_extra_info("peercert") or {}
    return ("DNS", OPERATOR) in certificate.get("subjectAltName", ())


async def follow_files(folder: Path, renew: Callable[[ssl.SSLContext], Awaitable[None]]) -> None:
    """Renew whenever the files differ from those that were taken last; ends by being cancelled.

    Files that don't fit together (yet) leave the last good ones in use.
    """
    taken = await asyncio.to_thread(_digest, folder)
    async for _ in looks(folder):
        found = await asyncio.to_thread(_digest, folder)
        if found == taken:
            continue
        try:
            context = await asyncio.to_thread(tls_context, folder)
        except OSError as error:
            log.error("certificates of the admin port not taken", error=str(error))
            continue
        await renew(context)
        taken = found
        log.info("certificates of the admin port renewed")


def _digest(folder: Path) -> bytes:
    """Return what tells one set of files from another; b"" where they can't be read."""
    digest = hashlib.sha256()
    try:
        for name in (_CA, _CERTIFICATE, _KEY):
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    except OSError:
        return b""
    return digest.digest()
