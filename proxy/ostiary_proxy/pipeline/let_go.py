"""Ending the upstream session of an initialize that no client got an answer to.

Nobody could ever end it. It is tried once, aside.
"""

import contextlib
from typing import Final

from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["let_go"]

_PATIENCE: Final = 5.0


async def let_go(known: Known, upstream: str) -> None:
    """Ask upstream to end the session `upstream`, which an initialize of `known` opened."""
    opened = known.routed.received
    # Its version is not known to be one that we speak, so none is named.
    session = Session(upstream=upstream, version="", issued_at=opened.now, key=opened.id)
    said = Said(
        known=known, version="", http_method="DELETE", session=session, timeout=_PATIENCE,
        system=True,
    )  # fmt: skip
    with contextlib.suppress(Refused):
        await (await say(said)).close()
