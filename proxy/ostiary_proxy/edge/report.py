"""What one proxy says of itself: the answer to a push and to the question what it serves."""

from dataclasses import asdict, dataclass

from ostiary.config.document import SCHEMA
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.tally import Tally
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.public_tls import PublicTls
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.reload import Reloader

__all__ = ["Reporter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Reports on the runtime in force; `boot` is another one after each start."""

    boot: str
    reloader: Reloader
    confirmation: Confirmation
    tally: Tally
    upstreams: Upstreams
    tls: PublicTls | None

    def __call__(self) -> dict[str, Json]:
        """Return the report."""
        loaded, runtime = self.reloader.loaded, self.reloader.current
        faults = self.tls.faults if self.tls is not None else ()
        return {
            "revision": loaded.revision,
            "digest": loaded.digest,
            "schema": SCHEMA,
            "boot": self.boot,
            "keys": runtime.oauth.rings.fingerprint if runtime is not None else "",
            "confirmed": self.confirmation.confirmed,
            "failures": list(loaded.failures),
            "faults": [asdict(fault) for fault in (*loaded.faults, *faults)],
            **self._seen(),
        }

    def _seen(self) -> dict[str, Json]:
        """Return what traffic showed of the policies and routes that are still there."""
        runtime = self.reloader.current
        policies = runtime.bundle.config.policies if runtime is not None else ()
        routes = runtime.bundle.config.routes if runtime is not None else ()
        servers = [server.server_key for route in routes for server in route.servers]
        would, last, unfit = self.tally.would, self.upstreams.last, self.upstreams.unfit
        return {
            "would": {one.key: would[one.key] for one in policies if one.key in would},
            "upstreams": {key: last[key] for key in servers if key in last},
            "unfit": {key: [*sorted(unfit[key])] for key in servers if key in unfit},
        }
