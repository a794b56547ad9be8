"""What platform, app and security teams may do with the roles of the installation."""

from functools import partial

import pytest

from e2e.kubectl import Kubectl, KubectlFailed, eventually

pytestmark = pytest.mark.usefixtures("installed")
KINDS = ("mcpgateways", "mcproutes", "mcppolicies")
READ = {"get", "list", "watch"}
WRITE = READ | {"create", "update", "patch", "delete", "deletecollection"}
MAY = {
    "view": {"mcpgateways": READ, "mcproutes": READ, "mcppolicies": READ},
    "edit": {"mcpgateways": READ, "mcproutes": WRITE, "mcppolicies": READ},
    "admin": {"mcpgateways": READ, "mcproutes": WRITE, "mcppolicies": READ},
    "ostiary-policy-editor": {"mcppolicies": WRITE},
    "ostiary-gateway-editor": {"mcpgateways": WRITE},
}
ROUTE = """
apiVersion: ostiary.dev/v1alpha1
kind: MCPRoute
metadata: {name: files}
spec: {to: "http://files:8080/mcp", mcp: {}}
"""
POLICY = """
apiVersion: ostiary.dev/v1alpha1
kind: MCPPolicy
metadata: {name: files}
spec:
  targetRefs: [{kind: MCPRoute, name: files}]
  rules: [{name: everything, effect: Allow, who: {everyone: true}}]
"""
GATEWAY = """
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata: {name: main}
spec:
  publicUrl: https://mcp.example.com
  identityProvider: {oidc: {issuer: https://login.example.com, clientId: ostiary}}
"""


def bind(kubectl: Kubectl, user: str, role: str) -> None:
    kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")


def may(kubectl: Kubectl, user: str, verb: str, kind: str, *options: str) -> bool:
    try:
        kubectl("auth", "can-i", verb, f"{kind}.ostiary.dev", f"--as={user}", "--quiet", *options)
    except KubectlFailed:
        return False
    return True


@pytest.mark.parametrize("role", MAY)
def test_a_role_grants_what_it_says_and_no_more(kubectl: Kubectl, role: str) -> None:
    bind(kubectl, "somebody", role)
    verbs = sorted(WRITE)
    for kind, allowed in MAY[role].items():  # the built-in roles take a moment to gather theirs
        first = max(allowed - READ, default="get")
        eventually(partial(may, kubectl, "somebody", first, kind))

    found = {
        kind: {verb for verb in verbs if may(kubectl, "somebody", verb, kind)} for kind in KINDS
    }

    assert found == {kind: MAY[role].get(kind, set()) for kind in KINDS}
    assert not any(
        may(kubectl, "somebody", "patch", kind, "--subresource=status") for kind in KINDS
    )


def test_an_app_team_publishes_a_route_and_cant_allow_itself(kubectl: Kubectl) -> None:
    bind(kubectl, "app-team", "edit")
    bind(kubectl, "security-team", "ostiary-policy-editor")
    as_app, as_security = ("--as=app-team",), ("--as=security-team",)
    eventually(lambda: may(kubectl, "app-team", "create", "mcproutes"))

    kubectl.apply(ROUTE, options=as_app)
    with pytest.raises(KubectlFailed, match=r'"app-team" cannot patch resource "mcppolicies"'):
        kubectl.apply(POLICY, options=as_app)
    with pytest.raises(KubectlFailed, match=r'"app-team" cannot patch resource "mcpgateways"'):
        kubectl.apply(GATEWAY, options=as_app)
    kubectl.apply(POLICY, options=as_security)
    with pytest.raises(KubectlFailed, match=r'"security-team" cannot patch resource "mcproutes"'):
        kubectl.apply(ROUTE, options=as_security)
    kubectl("delete", "mcproute/files", *as_app)

    assert kubectl("get", "mcproutes,mcppolicies", "-o", "name", "--as=app-team").split() == [
        "mcppolicy.ostiary.dev/files"
    ]


def test_an_app_team_cant_give_itself_the_role_of_those_who_write_policies(
    kubectl: Kubectl,
) -> None:
    bind(kubectl, "app-team", "admin")
    eventually(lambda: may(kubectl, "app-team", "create", "mcproutes"))
    binding = ("create", "rolebinding", "mine", "--clusterrole=ostiary-policy-editor")

    with pytest.raises(KubectlFailed, match="attempting to grant RBAC permissions not currently"):
        kubectl(*binding, "--user=app-team", "--as=app-team")
