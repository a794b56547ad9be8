"""Events on objects whose Ready turns, and on nothing else: conditions say what holds."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from ostiary.crypto.seal import Entropy
from ostiary.resources.manifest import API_VERSION
from ostiary_operator.api import FIELD_MANAGER, Api, Object
from ostiary_operator.failures import ApiFailed

__all__ = ["Events", "ready_event"]

log = structlog.get_logger(__name__)
_Status = Mapping[str, Any]


class Events:
    """Posts events; one that can't be posted is only logged."""

    def __init__(self, api: Api, now: Callable[[], float], entropy: Entropy) -> None:
        self._api = api
        self._now = now
        self._entropy = entropy

    async def tell(self, key: str, meta: Object, status: _Status, before: _Status) -> None:
        """Post what changed for the object of `key` between two statuses."""
        event = ready_event(status, before)
        if event is None:
            return
        kind, namespace, name = key.split("/")
        time = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        suffix = self._entropy(8).hex()
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": f"{name[:200]}.{suffix}"},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": kind,
                "namespace": namespace,
                "name": name,
                "uid": meta["uid"],
            },
            **event,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        try:
            await self._api.create(body)
        except ApiFailed as failed:
            log.warning("an event can't be posted", why=str(failed))


def ready_event(status: _Status, before: _Status) -> Mapping[str, str] | None:
    """Return type, reason and message of the event that Ready turned; None where it did not.

    An object that only begins is not Ready yet, which is no event.
    """
    ready, was = _ready(status), _ready(before)
    turned, says = ready.get("status") != was.get("status"), ready.get("status")
    if not turned or says not in ("True", "False") or (not was and says == "False"):
        return None
    kind = "Normal" if says == "True" else "Warning"
    return {"type": kind, "reason": ready["reason"], "message": ready["message"]}


def _ready(status: _Status) -> Mapping[str, Any]:
    found: list[Mapping[str, Any]] = list(status.get("conditions") or ())
    return next((condition for condition in found if condition.get("type") == "Ready"), {})
