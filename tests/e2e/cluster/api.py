"""The few requests that the cluster itself makes of its API server, as its administrator."""

import http.client
import json
import ssl
from typing import Any

from e2e.cluster.layout import API_PORT, Layout

__all__ = ["Api", "ApiError"]


class ApiError(Exception):
    """The API server can't be reached, or answers with an error."""


class Api:
    """A client of the API server, from inside."""

    def __init__(self, layout: Layout) -> None:
        pki = layout.certificates
        self._trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._trust.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def get(self, path: str) -> Any:
        """Return an object, or the items of a list."""
        return json.loads(self._ask("GET", path))

    def create(self, path: str, thing: dict[str, Any]) -> None:
        """Create an object."""
        self._ask("POST", path, json.dumps(thing))

    def delete(self, path: str) -> None:
        """Delete an object."""
        self._ask("DELETE", path)

    def is_ready(self) -> bool:
        """Say whether the API server serves."""
        try:
            return self._ask("GET", "/readyz") == b"ok"
        except ApiError:
            return False

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", API_PORT, timeout=5, context=self._trust
        )
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return said
