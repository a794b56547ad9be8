"""The gateway that a fresh installation starts with: made once, and never again if it is deleted.

That it was made is written on the operator's Lease, which lives as long as the installation.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

import structlog

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.yaml_documents import read_documents
from ostiary.resources.manifest import Kind, read_manifest, read_resource
from ostiary_operator.api import Api
from ostiary_operator.election import LEASE
from ostiary_operator.failures import ApiFailed, Conflict
from ostiary_operator.kinds import KINDS

__all__ = ["make_once", "read_gateway"]

log = structlog.get_logger(__name__)
_MADE: Final = "ostiary.dev/default-gateway"
_PAUSE: Final = 5.0


def read_gateway(path: Path) -> dict[str, Any]:
    """Return the one MCPGateway of a file; raises Faulty with every fault, and where it stands."""
    try:
        documents = read_documents(path.read_bytes(), str(path))
    except OSError as error:
        said = f"can't be read: {error.strerror}"
        raise Faulty([Fault(path="", file=str(path), message=said)]) from None
    if len(documents) != 1:
        said = f"one MCPGateway is needed; {len(documents)} objects are given"
        raise Faulty([Fault(path="", file=str(path), message=said)])
    value = documents[0].value
    try:
        manifest = read_manifest(value)
        if manifest.kind is not Kind.GATEWAY:
            raise Faulty([Fault(path="kind", message=f"write {Kind.GATEWAY}")])
        read_resource(manifest)
    except Faulty as faulty:
        raise Faulty(documents[0].locate(faulty.faults)) from None
    assert isinstance(value, dict)
    head = {"name": manifest.meta.name, "namespace": manifest.meta.namespace}
    return {**value, "metadata": {**head, "labels": manifest.meta.labels}}


async def make_once(api: Api, namespace: str, gateway: dict[str, Any]) -> None:
    """Create `gateway` unless that was done before; tries until it is.

    `namespace` is the operator's own.
    """
    while True:
        try:
            return await _make(api, namespace, gateway)
        except ApiFailed as failed:
            log.warning("the default gateway can't be made yet", error=str(failed))
        await asyncio.sleep(_PAUSE)


async def _make(api: Api, namespace: str, gateway: dict[str, Any]) -> None:
    lease = await api.get(KINDS["Lease"], namespace, LEASE)
    if _MADE in lease["metadata"].get("annotations", {}):
        return
    name = f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    try:
        await api.create(gateway)
        log.info("the default gateway was made", gateway=name)
    except Conflict:
        log.info("there is a gateway of the default one's name already", gateway=name)
    # Written last: an operator that dies in between finds the gateway there and writes it then. The
    # Lease may be renewed meanwhile: that is a Conflict, and tried again as any failure.
    lease["metadata"].setdefault("annotations", {})[_MADE] = name
    await api.replace(lease)
