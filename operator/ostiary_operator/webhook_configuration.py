"""What tells the API server of the webhook: one ValidatingWebhookConfiguration.

The installation brings it empty and takes it away again; the operator fills it and can't make it.
Who deletes it does without the webhook.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from ostiary.resources.meta import GROUP, VERSION
from ostiary_operator.api import Api
from ostiary_operator.failures import NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.webhook_port import REVIEW

__all__ = ["CONFIGURATION", "Configuration"]

CONFIGURATION: Final = "ostiary-operator"
_KIND: Final = KINDS["ValidatingWebhookConfiguration"]
_SECONDS: Final = 3


class Configuration:
    """The configuration, which is applied where it is not as it was when we last applied it."""

    def __init__(self, api: Api, service: Mapping[str, Any]) -> None:
        self._api = api
        self._service = service
        self._stands: tuple[str, str] | None = None

    async def apply(self, authorities: str) -> None:
        """Let the API server ask whoever has a certificate of `authorities`; raises ApiFailed.

        Where there is no configuration somebody does without the webhook.
        """
        try:
            meta = await self._api.get_metadata(_KIND, "", CONFIGURATION)
        except NotFound:
            return
        if (authorities, meta["resourceVersion"]) == self._stands:
            return
        meta = await self._api.apply(_body(self._service, authorities))
        self._stands = (authorities, meta["resourceVersion"])


def _body(service: Mapping[str, Any], authorities: str) -> dict[str, Any]:
    kinds = (KINDS[kind].plural for kind in ("MCPGateway", "MCPPolicy", "MCPRoute"))
    asked = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(kinds),
        "scope": "Namespaced",
    }
    webhook = {
        "name": f"objects.{GROUP}",
        "clientConfig": {
            "service": {**service, "path": REVIEW},
            "caBundle": base64.b64encode(authorities.encode()).decode(),
        },
        "rules": [asked],
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        # What is stored unseen is judged by the next plan: an operator that is away stops nobody.
        "failurePolicy": "Ignore",
        "timeoutSeconds": _SECONDS,
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": _KIND.api_version,
        "kind": _KIND.kind,
        "metadata": {"name": CONFIGURATION},
        "webhooks": [webhook],
    }
