"""What is left once gateways and installation are deleted: what people would lose, and no more."""

from e2e.cluster.layout import ROOT
from e2e.gateways import ALL, Fleet
from e2e.kubectl import Kubectl

INSTALL = str(ROOT / "manifests" / "install.yaml")
KINDS = "deployments,replicasets,services,secrets,persistentvolumeclaims,poddisruptionbudgets"
WIDE = "customresourcedefinitions,clusterroles,clusterrolebindings,namespaces"


def test_only_keys_and_volumes_are_left(
    kubectl: Kubectl, installed: Kubectl, file_server: str
) -> None:
    Fleet.roll_out(kubectl, file_server, ALL)

    kubectl("delete", "mcpgateways,mcproutes,mcppolicies", "--all")
    kubectl("wait", "pods", "--selector=app.kubernetes.io/name=ostiary-proxy", "--for=delete")
    installed("delete", "-f", INSTALL, "--timeout=80s")

    left = kubectl("get", KINDS, "--selector=ostiary.dev/gateway", "--output=name").split()
    assert sorted(left) == ["persistentvolumeclaim/ostiary-main-state", "secret/ostiary-main-keys"]
    wide = kubectl("get", WIDE, "--output=name").split()
    assert [name for name in wide if "ostiary" in name] == []
    installed("apply", "--server-side", "-f", INSTALL)
    installed.wait_for("deployment/ostiary-operator", "condition=Available")
