"""The demo's objects: the samples of the demo on one machine, where the cluster needs them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from ostiary import __version__
from ostiary.decode.yaml_documents import read_documents
from ostiary_cli.demo.stage import SAMPLES, WINDOW
from ostiary_cli.yaml_text import write_documents

__all__ = [
    "APP", "OPERATOR", "PLATFORM", "SECURITY", "TEAM", "app", "default_gateway", "namespaces",
    "policy",
]  # fmt: skip

OPERATOR: Final = "ostiary-system"
PLATFORM: Final = "demo-platform"
TEAM: Final = "demo-team"
"""Namespaces: the operator's own, the gateway's, and that of the route and its policy."""

APP: Final = "app-team"
SECURITY: Final = "security-team"
"""Users, as `cluster/samples/namespaces.yaml` gives them roles."""

_OWN: Final = Path(__file__).parent / "samples"

_Object = Mapping[str, Any]


def namespaces() -> list[_Object]:
    """Return the namespaces, and who may do what there."""
    return _read(_OWN / "namespaces.yaml")


def default_gateway(public_url: str) -> list[_Object]:
    """Return the ConfigMap by which the operator makes the default gateway, and its namespace."""
    (gateway,) = _read(SAMPLES / "gateway.yaml")
    meta = {"name": "main", "namespace": PLATFORM}
    gateway = {**gateway, "metadata": meta, "spec": {**gateway["spec"], "publicUrl": public_url}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ostiary-default-gateway", "namespace": OPERATOR},
            "data": {"gateway.yaml": write_documents([gateway])},
        },
    ]


def app() -> list[_Object]:
    """Return what the app team applies, the image of this version in it."""
    return _read(_OWN / "app.yaml", ("image: ostiary-demo", f"image: ostiary-demo:{__version__}"))


def policy(hours: str) -> _Object:
    """Return what the security team applies; `hours` are those of publishing."""
    found = _read(SAMPLES / "policy.yaml", (WINDOW, f'"{hours}"'))
    files = next(each for each in found if each["metadata"]["name"] == "files")
    return {**files, "metadata": {"name": "files", "namespace": TEAM}}


def _read(file: Path, *edits: tuple[str, str]) -> list[_Object]:
    text = file.read_text()
    for before, after in edits:
        text = text.replace(before, after)
    documents = read_documents(text.encode(), str(file))
    return [cast("_Object", document.value) for document in documents]
