"""The certificate of the webhook, in a Secret of the operator's own namespace.

The replica that acts makes and renews it; one that stands by takes what is there.
"""

import base64
from collections.abc import Callable
from typing import Final

from ostiary.crypto.secret import Secret
from ostiary_operator.api import Api
from ostiary_operator.apply import NotApplied
from ostiary_operator.certificates import Certified, SecretData, renew_authority, renew_server
from ostiary_operator.failures import NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.values import text_of

__all__ = ["WebhookCertificate"]

_SECRET: Final = "ostiary-operator-webhook"  # noqa: S105 - a name
_LABELS: Final = {
    "app.kubernetes.io/name": "ostiary-operator",
    "app.kubernetes.io/component": "webhook",
}


class WebhookCertificate:
    """The certificate for the DNS name `host`."""

    def __init__(self, api: Api, namespace: str, host: str, now: Callable[[], float]) -> None:
        self._api = api
        self._namespace = namespace
        self._host = host
        self._now = now

    async def current(self, *, acts: bool) -> tuple[str, Certified] | None:
        """Return who is trusted, and the certificate; None where there is none (yet).

        Raises ApiFailed, and NotApplied where the Secret is somebody else's.
        """
        found = await self._stored()
        data = self._renewed(found) if acts else found
        if data != found:
            await self._store(data)
        if not {"ca.crt", "tls.crt", "tls.key"} <= data.keys():
            return None
        pair = Certified(certificate=data["tls.crt"].reveal(), key=data["tls.key"])
        return data["ca.crt"].reveal(), pair

    def _renewed(self, found: SecretData) -> SecretData:
        now = self._now()
        authority = renew_authority(found, "ostiary webhook", now)
        return {**authority, **renew_server(found, authority, self._host, now)}

    async def _stored(self) -> SecretData:
        try:
            found = await self._api.get(KINDS["Secret"], self._namespace, _SECRET)
        except NotFound:
            return {}
        if not _LABELS.items() <= (found["metadata"].get("labels") or {}).items():
            raise NotApplied(f"Secret {_SECRET} exists and is not ours; delete or rename it")
        return text_of(found)

    async def _store(self, data: SecretData) -> None:
        meta = {"name": _SECRET, "namespace": self._namespace, "labels": _LABELS}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta}
        await self._api.apply({**body, "data": {key: _encoded(data[key]) for key in data}})


def _encoded(value: Secret) -> str:
    return base64.b64encode(value.reveal().encode()).decode()
