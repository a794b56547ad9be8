"""A session of a legacy client that the gateway keeps itself, as text in `Session.upstream`.

The pipeline seals it into the session's id, so any replica reads from there what was declared.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.crypto.base64url import base64url
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.declared import PARTS, Declared
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["Bridged", "bridged_in", "looks_bridged"]

_MARK: Final = "ostiary-bridged."


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """What the client declared, and which of the server's offers need something kept for them."""

    declared: Declared
    logs: bool
    subscribes: bool
    tasks: bool

    @classmethod
    def of(cls, declared: Declared, capabilities: Object) -> "Bridged":
        """Return the session of a client that was told the server's `capabilities`."""
        resources = capabilities.get("resources")
        subscribes = isinstance(resources, dict) and resources.get("subscribe") is True
        return cls(
            declared=declared,
            logs="logging" in capabilities,
            subscribes=subscribes,
            tasks="tasks" in capabilities,
        )

    def text(self) -> str:
        """Return it as visible ASCII, short enough to stand among other servers' sessions."""
        flags = [self.logs, self.subscribes, self.tasks]
        flags += [self.declared.says(*one) for one in _FLAGS]
        bits = "".join("01"[flag] for flag in flags)
        info = self.declared.info or {}
        plain = "\0".join((bits, str(info.get("name", "")), str(info.get("version", ""))))
        return f"{_MARK}{base64url(plain.encode())}"


def looks_bridged(upstream: str | None) -> bool:
    """Say whether the id of a session has the form of ours: no server may give such a one."""
    return upstream is not None and upstream.startswith(_MARK)


def bridged_in(session: Session | None) -> Bridged | None:
    """Return what the id of a bridged session holds, None for a session that a server keeps.

    Raises Refused("UnknownSession") for one in the form of another version of ours.
    """
    if session is None or session.upstream is None or not looks_bridged(session.upstream):
        return None
    text = session.upstream.removeprefix(_MARK)
    plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    bits, name, version = plain.split("\0")  # written by `text` and sealed since
    if len(bits) != _BITS:
        raise Refused("UnknownSession", detail="opened by another version of this gateway")
    logs, subscribes, tasks, *flags = (bit == "1" for bit in bits)
    return Bridged(
        declared=Declared(
            capabilities=_capabilities(flags),
            info={"name": name, "version": version} if name else None,
        ),
        logs=logs,
        subscribes=subscribes,
        tasks=tasks,
    )


def _capabilities(flags: Sequence[bool]) -> Object:
    found: dict[str, dict[str, Json]] = {}
    for (capability, part), flag in zip(_FLAGS, flags, strict=True):
        if flag and part:
            found[capability][part] = {}
        elif flag:
            found[capability] = {}
    return found


_FLAGS: Final = tuple((name, part) for name, parts in PARTS.items() for part in ("", *parts))
_BITS: Final = 3 + len(_FLAGS)
