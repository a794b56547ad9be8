"""What one proxy process is given: its command line, as values."""

from dataclasses import dataclass
from pathlib import Path

from ostiary_proxy.edge.endpoint import Endpoint

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things lie and where to listen.

    `bundle` is the folder of the shards, `keys` the key document, `state` the store's file, `audit`
    the log's folder and `checkpoints` that of its anchors (another place than the log).
    Either `admin_token` is written at start, mode 0600, and asked for at the admin port, or
    `admin_tls` is the folder of its certificates. `ready_file` gets the addresses as JSON once the
    ports are open and the folder was read. `shutdown_delay` is for how many seconds the process
    still takes calls after it was asked to end. With `tls` the public port speaks TLS, by the
    certificates in the bundle. `operator_url` is where to ask at a start which
    revision of the gateway `gateway_uid` is current.
    """

    bundle: Path
    keys: Path
    state: Path
    audit: Path
    checkpoints: Path
    listen: Endpoint
    status: Endpoint
    admin: Endpoint
    admin_token: Path | None
    admin_tls: Path | None = None
    ready_file: Path | None = None
    shutdown_delay: float = 0.0
    tls: bool = False
    operator_url: str | None = None
    gateway_uid: str | None = None
