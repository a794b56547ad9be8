"""`python -m ostiary_cli.generate`: writes the generated files, or checks that they are current."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ostiary.resources.crd import crds
from ostiary.resources.manifest import Kind
from ostiary.resources.meta import GROUP
from ostiary_cli.installation import Installation
from ostiary_cli.permissions import explained
from ostiary_cli.reference import PAGES, filled
from ostiary_cli.yaml_text import write_documents

__all__ = ["command", "generated"]

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_HEAD: Final = "# Generated from ostiary.resources by `make generate`.\n"
_INSTALLATIONS: Final = {
    "install.yaml": Installation(),
    "install-namespace.yaml": Installation(namespace="ostiary", confined=True),
}
_REFERENCE: Final = Path("docs/reference")
_ARGOCD: Final = Path("manifests/gitops/argocd")


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each generated file, its path relative to the repository, and its text."""
    for name, definition in crds().items():
        yield Path("crds") / name, _HEAD + write_documents([definition])
    yield _ARGOCD / "argocd-cm.yaml", _argocd_settings()
    yield _REFERENCE / "permissions.md", explained()
    for page in (*PAGES, "cli.md", "messages.md"):
        yield _REFERENCE / page, filled(_ROOT / _REFERENCE / page)
    for name, installation in _INSTALLATIONS.items():
        yield Path("manifests") / name, _HEAD + write_documents(installation.objects())


def _argocd_settings() -> str:
    """Return the settings of Argo CD that hold our health check."""
    script = (_ROOT / _ARGOCD / "health.lua").read_text(encoding="utf-8")
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {f"resource.customizations.health.{GROUP}_{kind}": script for kind in Kind},
    }
    head = "# Generated from health.lua by `make generate`; apply it with:\n"
    apply = "# kubectl patch -n argocd configmap argocd-cm --patch-file argocd-cm.yaml\n"
    return head + apply + write_documents([settings])


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail if a file is old.")
def command(*, only_check: bool) -> None:
    """Write the generated files of the repository that this module stands in."""
    old = []
    for path, text in generated():
        target = _ROOT / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        old.append(str(path))
        if not only_check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            click.echo(f"wrote {path}")
    if only_check and old:
        click.echo(f"not current: {', '.join(old)}; run `make generate`", err=True)
        raise SystemExit(1)


if __name__ == "__main__":
    command()
