"""Reading a folder of YAML into a World, for `check`, `render` and `dev` alike.

The uid of an object is the UUIDv5 of its kind, namespace and name, its age the order of files and
documents. `${NAME}` is expanded from the environment in the `stringData` of Secrets, nowhere else.
"""

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.yaml_documents import MAX_SIZE, Document, Plain, read_documents
from ostiary.resources.inputs import (
    NamespaceInput,
    ReferenceGrantInput,
    SecretInput,
    ServiceInput,
)
from ostiary.resources.manifest import API_VERSION, Manifest, read_input, read_manifest
from ostiary.translate.certificates import certificate_in
from ostiary.translate.world import Platform, SecretFacts, ServiceFacts, World

__all__ = ["Loaded", "SecretKey", "object_key", "read_world", "yaml_files"]

SecretKey = tuple[str, str, str]
"""Namespace, name and key of one value of a Secret."""

_UIDS: Final = uuid.UUID("6e0b51ad-32c5-5f0c-8b3e-6a4a0c6e3d10")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a folder holds.

    `faults` are what no cluster would take; objects with such faults are not in `world`, so whoever
    serves must not go on with it while there are any. `notices` are documents passed over.
    `documents` maps `Kind/namespace/name` to its place, `secret_values` holds what Secrets hold.
    """

    world: World
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()
    secret_values: Mapping[SecretKey, Secret] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def object_key(kind: str, namespace: str, name: str) -> str:
    """Return `Kind/namespace/name`."""
    return f"{kind}/{namespace}/{name}"


def yaml_files(place: Path) -> tuple[Path, ...]:
    """Return the file itself, or every .yaml and .yml file below a folder in order of path.

    Hidden files and folders are left out. Raises Faulty where there is nothing.
    """
    if place.is_file():
        return (place,)
    if not place.is_dir():
        raise Faulty([Fault(path="", file=str(place), message="no such file or folder")])
    found = (path for path in place.rglob("*") if path.suffix in (".yaml", ".yml"))
    return tuple(
        sorted(
            path
            for path in found
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(place).parts)
        )
    )


def read_world(
    place: Path,
    env: Mapping[str, str],
    *,
    platform: Platform | None = None,
    version_key: bytes | None = None,
) -> Loaded:
    """Return what the YAML in a folder (or one file) says; faults are returned, not raised.

    `version_key` keys the versions of secret values, so that a changed value changes what is
    rendered and no version can be guessed back to its value; without one, versions are constant.
    """
    try:
        files = yaml_files(place)
    except Faulty as faulty:
        return Loaded(world=World(manifests=()), faults=faulty.faults)
    gathered = _Gathered(env=env, version=_versions(version_key))
    for path in files:
        gathered.file(path, str(path))
    if not gathered.faults and not gathered.manifests:
        said = f"there is no object of {API_VERSION} here; see `ostiary dev --to URL --save DIR`"
        gathered.faults.append(Fault(path="", file=str(place), message=said))
    return gathered.loaded(platform or Platform(), files)


def _versions(key: bytes | None) -> Callable[[Secret], str]:
    if key is None:
        return lambda _: "0"
    return lambda secret: hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()[:32]


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """Collects objects of all files."""

    env: Mapping[str, str]
    version: Callable[[Secret], str]
    faults: list[Fault] = field(default_factory=list)
    notices: list[Fault] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    services: list[ServiceFacts] = field(default_factory=list)
    grants: list[ReferenceGrantInput] = field(default_factory=list)
    values: dict[SecretKey, Secret] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    count: int = 0

    def file(self, path: Path, shown: str) -> None:
        try:
            with path.open("rb") as source:
                documents = read_documents(source.read(MAX_SIZE + 1), shown)
        except OSError as error:
            said = f"can't be read: {error.strerror}"
            self.faults.append(Fault(path="", file=shown, message=said))
        except Faulty as faulty:
            self.faults.extend(faulty.faults)
        else:
            for document in documents:
                self.document(document)

    def document(self, document: Document) -> None:
        self.count += 1
        try:
            self.object(document)
        except Faulty as faulty:
            self.faults.extend(document.locate(faulty.faults))

    def object(self, document: Document) -> None:
        value = document.value
        version = value.get("apiVersion") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(version, str):
            said = f"not an object: apiVersion is missing; Ostiary's kinds have {API_VERSION}"
            raise Faulty([Fault(path="", message=said)])
        if version == API_VERSION:
            self.manifest(document)
        elif version.partition("/")[0] == API_VERSION.partition("/")[0]:
            raise Faulty([Fault(path="apiVersion", message=f"write {API_VERSION}")])
        elif value.get("kind") == "List":
            said = "lists are not read; write each item as a document of its own"
            raise Faulty([Fault(path="kind", message=said)])
        else:
            self.input(document)

    def manifest(self, document: Document) -> None:
        manifest = read_manifest(_without_server_fields(document.value))
        key = object_key(manifest.kind, manifest.meta.namespace, manifest.meta.name)
        self.once(key, document)
        created = (_EPOCH + timedelta(seconds=self.count)).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = {"uid": str(uuid.uuid5(_UIDS, key)), "creation_timestamp": created}
        self.manifests.append(replace(manifest, meta=manifest.meta.model_copy(update=head)))
        self.namespaces.setdefault(manifest.meta.namespace, {})

    def once(self, key: str, document: Document) -> None:
        if key in self.documents:
            first = self.documents[key]
            place = f"{first.file}:{first.positions[''].line}"
            said = f"{key} stands twice, first at {place}; remove one"
            raise Faulty([Fault(path="metadata.name", message=said)])
        self.documents[key] = document

    def input(self, document: Document) -> None:
        value = document.value
        assert isinstance(value, dict)
        found = read_input(value)
        if found is None:
            said = f"{value['apiVersion']} {value.get('kind')} is not read here; passed over"
            self.notices.extend(document.locate([Fault(path="", message=said)]))
            return
        if isinstance(found, NamespaceInput):
            self.once(object_key("Namespace", "", found.metadata.name), document)
            self.namespaces[found.metadata.name] = found.metadata.labels
            return
        assert isinstance(found, SecretInput | ServiceInput | ReferenceGrantInput)
        meta = found.metadata
        self.once(object_key(str(value["kind"]), meta.namespace, meta.name), document)
        if isinstance(found, SecretInput):
            self.secret(found, document)
        elif isinstance(found, ServiceInput):
            self.services.append(ServiceFacts.of(found))
        else:
            self.grants.append(found)

    def secret(self, found: SecretInput, document: Document) -> None:
        faults: list[Fault] = []
        meta = found.metadata
        for key, value in found.data.items():
            plain = _from_base64(value)
            if plain is None:
                said = "not UTF-8 text in base64; write it under stringData instead"
                faults.append(Fault(path=f"data.{key}", message=said))
            else:
                self.values[(meta.namespace, meta.name, key)] = plain
        for key, value in found.string_data.items():
            text, missing = _expand(value.reveal(), self.env)
            path = f"stringData.{key}"
            faults.extend(
                Fault(path=path, message=f"the environment variable {name} is not set")
                for name in missing
            )
            self.values[(meta.namespace, meta.name, key)] = Secret(text)
        self.faults.extend(document.locate(faults))

    def loaded(self, platform: Platform, files: Iterable[Path]) -> Loaded:
        named = {
            name: {"kubernetes.io/metadata.name": name, **labels}
            for name, labels in self.namespaces.items()
        }
        world = World(
            manifests=tuple(self.manifests),
            secrets=self.secrets(),
            namespaces=named,
            services=tuple(self.services),
            grants=tuple(self.grants),
            platform=platform,
        )
        return Loaded(
            world=world,
            faults=tuple(self.faults),
            notices=tuple(self.notices),
            secret_values=self.values,
            documents=self.documents,
            files=tuple(files),
        )

    def secrets(self) -> tuple[SecretFacts, ...]:
        held: dict[tuple[str, str], dict[str, Secret]] = {}
        for (namespace, name, key), secret in self.values.items():
            held.setdefault((namespace, name), {})[key] = secret
        return tuple(
            SecretFacts(
                namespace=namespace,
                name=name,
                keys={key: self.version(secret) for key, secret in found.items()},
                certificate=certificate_in(found),
            )
            for (namespace, name), found in held.items()
        )


def _without_server_fields(value: Plain) -> Plain:
    """Drop what a server wrote into an exported object: a file has its own age and version."""
    meta = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(meta, dict):
        return value
    theirs = ("uid", "resourceVersion", "generation", "creationTimestamp")
    return {**value, "metadata": {key: meta[key] for key in meta if key not in theirs}}


def _from_base64(value: Secret) -> Secret | None:
    try:
        return Secret(base64.b64decode("".join(value.reveal().split()), validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _expand(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the text with `${NAME}` replaced, and the names that are not set."""
    missing = [name for name in _VARIABLE.findall(text) if name not in env]
    return _VARIABLE.sub(lambda found: env.get(found[1], ""), text), missing
