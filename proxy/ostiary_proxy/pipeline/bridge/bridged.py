"""A session of a legacy client that the gateway keeps itself, as text in `Session.upstream`.

The pipeline seals it into the session's id, so any replica reads from there what was declared.
"""

import base64
from dataclasses import dataclass
from typing import Final

from ostiary.crypto.base64url import base64url
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.pipeline.session import Session

__all__ = ["Bridged", "bridged_in", "looks_bridged"]

_MARK: Final = "ostiary-bridged."


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """What the client declared, and which of the server's offers need something kept for them."""

    declared: Declared
    logs: bool
    subscribes: bool

    @classmethod
    def of(cls, declared: Declared, capabilities: Object) -> "Bridged":
        """Return the session of a client that was told the server's `capabilities`."""
        resources = capabilities.get("resources")
        subscribes = isinstance(resources, dict) and resources.get("subscribe") is True
        return cls(declared=declared, logs="logging" in capabilities, subscribes=subscribes)

    def text(self) -> str:
        """Return it as visible ASCII."""
        plain = [self.declared.capabilities, self.declared.info, self.logs, self.subscribes]
        return f"{_MARK}{base64url(write_json(plain))}"


def looks_bridged(upstream: str | None) -> bool:
    """Say whether the id of a session has the form of ours: no server may give such a one."""
    return upstream is not None and upstream.startswith(_MARK)


def bridged_in(session: Session | None) -> Bridged | None:
    """Return what the id of a bridged session holds, None for a session that a server keeps."""
    if session is None or session.upstream is None or not looks_bridged(session.upstream):
        return None
    text = session.upstream.removeprefix(_MARK)
    plain = read_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert isinstance(plain, list)  # made by `text` and sealed since
    capabilities, info, logs, subscribes = plain
    assert isinstance(capabilities, dict)
    assert info is None or isinstance(info, dict)
    return Bridged(
        declared=Declared(capabilities=capabilities, info=info),
        logs=logs is True,
        subscribes=subscribes is True,
    )
