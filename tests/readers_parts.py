"""Asks the code of GitOps tools (tests/tools/readers) what it thinks of objects."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.decode.yaml_documents import read_documents
from real_parts import require
from setup_parts import go_program

GITOPS = Path(__file__).resolve().parent.parent / "manifests" / "gitops"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What each tool thinks: Argo CD with our script, Flux with our expressions, plain kstatus."""

    argocd: str
    flux: str
    kstatus: str


def verdicts_on(objects: Sequence[Mapping[str, Any]]) -> list[Verdicts]:
    """Return the verdicts on each object, by the checks that stand in manifests/gitops."""
    program = go_program("readers")
    require(program.exists(), "the readers of GitOps tools")
    script = (GITOPS / "argocd" / "health.lua").read_text()
    checks = {item["kind"]: item for item in flux_checks()}
    asked = subprocess.run(
        [program],
        input="".join(
            json.dumps({"object": item, "lua": script, "flux": checks[item["kind"]]}) + "\n"
            for item in objects
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [item["error"] for item in said if "error" in item] == []
    return [Verdicts(item["argocd"]["status"], item["flux"], item["kstatus"]) for item in said]


def flux_checks() -> list[dict[str, Any]]:
    """Return the healthCheckExprs of the sample."""
    path = GITOPS / "flux" / "kustomization.yaml"
    (document,) = read_documents(path.read_bytes(), str(path))
    value: Any = document.value
    checks: list[dict[str, Any]] = value["spec"]["healthCheckExprs"]
    return checks
