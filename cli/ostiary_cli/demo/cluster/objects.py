"""The demo's objects: the samples of the demo on one machine, where the cluster needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ostiary import __version__
from ostiary.decode.yaml_documents import read_documents
from ostiary_cli.demo.stage import GATEWAY, GITHUB, SAMPLES, WINDOW
from ostiary_cli.yaml_text import write_documents

__all__ = [
    "APP", "OPERATOR", "PLATFORM", "SECURITY", "TEAM", "Addresses", "app", "default_gateway",
    "github", "github_credentials", "namespaces", "policy",
]  # fmt: skip

OPERATOR: Final = "ostiary-system"
PLATFORM: Final = "demo-platform"
TEAM: Final = "demo-team"
"""Namespaces: the operator's own, the gateway's, and that of the route and its policy."""

APP: Final = "app-team"
SECURITY: Final = "security-team"
"""Users, as `cluster/samples/namespaces.yaml` gives them roles."""

_OWN: Final = Path(__file__).parent / "samples"
_IMAGE: Final = ("image: ostiary-demo", f"image: ostiary-demo:{__version__}")

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """HOST:PORT of what is forwarded; the development identity provider is between the two."""

    gateway: str
    github: str

    @property
    def edits(self) -> tuple[tuple[str, str], ...]:
        """Return what stands in the samples, and what goes there."""
        port = self.github.rpartition(":")[2]
        return (
            (GATEWAY, self.gateway),
            (GITHUB, self.github),
            ("0.0.0.0:7101", f"0.0.0.0:{port}"),
            ("containerPort: 7101", f"containerPort: {port}"),
        )


def namespaces() -> list[_Object]:
    """Return the namespaces, and who may do what there."""
    return _read(_OWN / "namespaces.yaml")


def default_gateway(addresses: Addresses) -> list[_Object]:
    """Return the ConfigMap by which the operator makes the default gateway, and its namespace."""
    (found,) = _read(SAMPLES / "gateway.yaml", *addresses.edits)
    (beside,) = _read(_OWN / "github.yaml", _IMAGE, *addresses.edits)
    spec = {**found["spec"], "proxy": {"podTemplate": {"spec": beside}}}
    gateway = {**found, "metadata": {"name": "main", "namespace": PLATFORM}, "spec": spec}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ostiary-default-gateway", "namespace": OPERATOR},
            "data": {"gateway.yaml": write_documents([gateway])},
        },
    ]


def github_credentials(secret: str) -> _Object:
    """Return the Secret that the pretend GitHub and its route share."""
    found = _read(SAMPLES / "routes.yaml", ("${PRETEND_GITHUB_CLIENT_SECRET}", secret))
    return _moved(_named(found, "pretend-github"), PLATFORM)


def github(addresses: Addresses) -> list[_Object]:
    """Return Service, route and policy of the pretend GitHub."""
    route = _moved(_named(_read(SAMPLES / "routes.yaml", *addresses.edits), "github"), PLATFORM)
    rules = _moved(_named(_read(SAMPLES / "policy.yaml"), "github"), PLATFORM)
    to = {"to": "http://github/mcp"}
    return [
        *_read(_OWN / "github-service.yaml"),
        {**route, "spec": {**route["spec"], **to}},
        rules,
    ]


def app() -> list[_Object]:
    """Return what the app team applies, the image of this version in it."""
    return _read(_OWN / "app.yaml", _IMAGE)


def policy(hours: str) -> _Object:
    """Return what the security team applies; `hours` are those of publishing."""
    found = _read(SAMPLES / "policy.yaml", (WINDOW, f'"{hours}"'))
    return _moved(_named(found, "files"), TEAM)


def _named(objects: list[_Object], name: str) -> _Object:
    return next(each for each in objects if each["metadata"]["name"] == name)


def _moved(found: _Object, namespace: str) -> _Object:
    return {**found, "metadata": {**found["metadata"], "namespace": namespace}}


def _read(file: Path, *edits: tuple[str, str]) -> list[_Object]:
    text = file.read_text()
    for before, after in edits:
        text = text.replace(before, after)
    documents = read_documents(text.encode(), str(file))
    return [cast("_Object", document.value) for document in documents]
