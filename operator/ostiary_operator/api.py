"""The API server, as few verbs on plain objects: a thin door over `kubernetes.aio`.

The library brings configuration, credentials (read again as they rotate) and connections; its
typed classes are left alone, because importing one costs 40 MiB. Every request has a deadline and
nothing is retried here: who asks knows whether to ask again.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config as loading
from kubernetes.aio.client import ApiClient, Configuration

from ostiary import __version__
from ostiary_operator.failures import Unavailable, failure_of
from ostiary_operator.kinds import KINDS, ApiKind

__all__ = ["FIELD_MANAGER", "Api", "Change", "Listing", "Object"]

Object = dict[str, Any]
"""An object as the server has it."""
FIELD_MANAGER: Final = "ostiary-operator"
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_WATCH_SECONDS: Final = 300
# Bookmarks come about once a minute where anything happens: silence may be a dead connection.
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Objects at one resourceVersion, from which a watch can go on."""

    items: Sequence[Object]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Api:
    """Every method raises an ApiFailed; writes answer the metadata of what then stands."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> "Api":
        """Return the API of a kubeconfig, or of the cluster that this process runs in.

        Raises ConfigException where there is none.
        """
        configuration = Configuration()
        if kubeconfig is None:
            loading.load_incluster_config(client_configuration=configuration)
        else:
            await loading.load_kube_config(
                config_file=str(kubeconfig),
                client_configuration=configuration,
                persist_config=False,
            )
        client = ApiClient(configuration)
        client.user_agent = f"{FIELD_MANAGER}/{__version__}"
        return cls(client)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def get(self, kind: ApiKind, namespace: str, name: str) -> Object:
        """Return one object."""
        return await self._ask("GET", kind.path(namespace, name))

    async def get_metadata(self, kind: ApiKind, namespace: str, name: str) -> Object:
        """Return the metadata of one object."""
        return _metadata(await self._ask("GET", kind.path(namespace, name), accept=_METADATA))

    async def list(
        self, kind: ApiKind, namespace: str = "", *, labels: str = "", at: str = ""
    ) -> Listing:
        """Return every object of a kind; `at` is the oldest resourceVersion that will do."""
        return await self._list(kind, namespace, labels, at, _JSON)

    async def list_metadata(
        self, kind: ApiKind, namespace: str = "", *, labels: str = "", at: str = ""
    ) -> Listing:
        """Return every object of a kind, with nothing in it but `metadata`."""
        return await self._list(kind, namespace, labels, at, _METADATA_LIST)

    async def _list(
        self, kind: ApiKind, namespace: str, labels: str, at: str, accept: str
    ) -> Listing:
        query = {"labelSelector": labels, "resourceVersion": at}
        said = await self._ask("GET", kind.path(namespace), query=query, accept=accept)
        version = str(_metadata(said).get("resourceVersion", ""))
        return Listing(items=said.get("items") or [], resource_version=version)

    async def watch_metadata(
        self, kind: ApiKind, namespace: str = "", *, labels: str = "", since: str
    ) -> AsyncIterator[Change]:
        """Yield what happens after a resourceVersion, bookmarks included, for five minutes.

        Silence ends it sooner: then, too, another watch goes on from the last resourceVersion.
        Raises Gone where the server no longer knows what happened since.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            "resourceVersion": since,
            "labelSelector": labels,
        }
        response = await self._open(
            "GET", kind.path(namespace), query=query, accept=_METADATA, patience=_WATCH_TIMEOUT
        )
        try:
            async for line in _lines(response):
                yield _change(json.loads(line))
        except TimeoutError:
            return
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"the watch of {kind.plural} broke: {error!r}") from error
        finally:
            response.close()

    async def apply(
        self,
        body: Mapping[str, Any],
        *,
        part: str = "",
        manager: str = FIELD_MANAGER,
        force: bool = True,
    ) -> Object:
        """Apply an object by a field manager; fields that others took are taken back.

        Without `force` nothing is: raises Conflict where another's value differs.

        With `part` "status" only the status is applied. A `metadata.resourceVersion` is a
        precondition; a `metadata.uid` would be none there.
        """
        query = {"fieldManager": manager, "force": "true" if force else ""}
        return await self._write("PATCH", _path(body, part), body, query=query, content=_APPLY)

    async def create(self, body: Mapping[str, Any]) -> Object:
        """Create an object; raises Conflict where there is one of that name."""
        meta = body["metadata"]
        path = KINDS[body["kind"]].path(meta.get("namespace", ""))
        return await self._write("POST", path, body, query={"fieldManager": FIELD_MANAGER})

    async def replace(self, body: Mapping[str, Any]) -> Object:
        """Replace an object; its resourceVersion, where given, must be the one that stands."""
        return await self._write("PUT", _path(body), body, query={"fieldManager": FIELD_MANAGER})

    async def merge(
        self, kind: ApiKind, namespace: str, name: str, change: Mapping[str, Any]
    ) -> Object:
        """Merge a change into an object."""
        query = {"fieldManager": FIELD_MANAGER}
        path = kind.path(namespace, name)
        return await self._write("PATCH", path, change, query=query, content=_MERGE)

    async def delete(self, kind: ApiKind, namespace: str, name: str, *, uid: str) -> None:
        """Delete exactly the object of that uid; raises Conflict where another has its name."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        await self._ask("DELETE", kind.path(namespace, name), body=body)

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        query: Mapping[str, str],
        content: str = _JSON,
    ) -> Object:
        said = await self._ask(
            method, path, query=query, accept=_METADATA, content=content, body=body
        )
        return _metadata(said)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        content: str = _JSON,
        body: Mapping[str, Any] | None = None,
    ) -> Object:
        response = await self._open(
            method, path, query=query, accept=accept, content=content, body=body
        )
        async with response:
            try:
                said: Object = json.loads(await response.read())
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise Unavailable(f"{method} {path}: the answer broke off: {error!r}") from error
        return said

    async def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        accept: str,
        content: str = _JSON,
        body: Mapping[str, Any] | None = None,
        patience: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> aiohttp.ClientResponse:
        """Send a request; the caller reads and closes the answer, which is a good one."""
        client = self._client
        headers = {"Accept": accept, "Content-Type": content, **client.default_headers}
        await client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        given = urlencode({name: value for name, value in (query or {}).items() if value})
        try:
            answer = await client.call_api(
                method,
                f"{client.configuration.host}{path}{'?' if given else ''}{given}",
                headers,
                body,
                _request_timeout=patience,
            )
            response: aiohttp.ClientResponse = answer.response
            if response.status >= 400:
                async with response:
                    raise failure_of(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{method} {path}: no answer: {error!r}") from error
        return response


def _path(body: Mapping[str, Any], part: str = "") -> str:
    meta = body["metadata"]
    return KINDS[body["kind"]].path(meta.get("namespace", ""), meta["name"], part)


def _metadata(said: Object) -> Object:
    found: Object = said.get("metadata") or {}
    return found


def _change(event: Object) -> Change:
    if event["type"] == "ERROR":
        said = event["object"]
        raise failure_of(int(said.get("code") or 0), json.dumps(said).encode())
    return Change(type=event["type"], object=event["object"])


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield lines of any length: the stream's own `readline` gives up on long ones."""
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line
