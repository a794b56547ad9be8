"""Where `ostiary dev` keeps what outlives a restart, and where the other commands look for it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "find_places"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders and files of one development gateway.

    `state` and `keys` are folders of mode 0700; everything else lies in one of them.
    In `state`: the rendered `bundle` (folder), the `store` (SQLite file), the `audit` log (folder),
    the `admin_token` and `ready` files (token and addresses of the running proxy). In `keys`: the
    `key_file` and the `checkpoints` (folder), so that the log and what it is checked against are
    never in one place (security decision 18).
    """

    state: Path
    keys: Path
    bundle: Path
    store: Path
    audit: Path
    admin_token: Path
    ready: Path
    key_file: Path
    checkpoints: Path


def find_places(
    source: str,
    *,
    environment: Mapping[str, str],
    home: Path,
    state: Path | None = None,
    keys: Path | None = None,
) -> Places:
    """Return the places of the gateway that serves `source`, a folder of YAML or an upstream's URL.

    `state` and `keys` replace the defaults, which are folders named by a hash of `source` under
    `$XDG_STATE_HOME/ostiary` and `$XDG_CONFIG_HOME/ostiary`. Nothing is created.
    """
    subject = source if "://" in source else str(Path(source).resolve())
    name = hashlib.sha256(subject.encode()).hexdigest()[:16]
    state = state or _xdg(environment, "XDG_STATE_HOME", home / ".local/state") / name
    keys = keys or _xdg(environment, "XDG_CONFIG_HOME", home / ".config") / name
    return Places(
        state=state,
        keys=keys,
        bundle=state / "bundle",
        store=state / "store.sqlite3",
        audit=state / "audit",
        admin_token=state / "admin-token",
        ready=state / "proxy-ready.json",
        key_file=keys / "keys.json",
        checkpoints=keys / "checkpoints",
    )


def _xdg(environment: Mapping[str, str], variable: str, default: Path) -> Path:
    """Return the XDG folder; the specification has relative paths ignored."""
    named = Path(environment.get(variable, ""))
    return (named if named.is_absolute() else default) / "ostiary"
