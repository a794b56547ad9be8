"""`ostiary check` and `ostiary render`: what people see, and the exit code."""

from typing import Any

import pytest
from click.testing import CliRunner

from ostiary.decode.yaml_documents import read_documents
from ostiary_cli.main import main

GATEWAY = """\
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata: {name: dev}
spec:
  publicUrl: http://127.0.0.1:8080
  default: true
  identityProvider: {dev: {users: [{username: alice, password: hunter2}]}}
"""
ROUTE = """\
---
apiVersion: ostiary.dev/v1alpha1
kind: MCPRoute
metadata: {name: tools}
spec:
  to: http://127.0.0.1:9000/mcp
"""
POLICY = """\
---
apiVersion: ostiary.dev/v1alpha1
kind: MCPPolicy
metadata: {name: allow}
spec:
  targetRefs: [{kind: MCPRoute, name: tools}]
  rules:
    - {name: all, effect: Allow, who: {everyone: true}}
"""


@pytest.fixture
def run(tmp_path):
    def run(command, *texts):
        (tmp_path / "a.yaml").write_text("".join(texts))
        result = CliRunner().invoke(main, [command, "-f", str(tmp_path)])
        return (
            result.exit_code,
            result.stdout.replace(f"{tmp_path}/", ""),
            result.stderr.replace(f"{tmp_path}/", ""),
        )

    return run


def test_a_good_folder_is_good(run):
    assert run("check", GATEWAY, ROUTE, POLICY) == (0, "", "3 objects in 1 files: good\n")


def test_a_folder_of_one_team_lacks_what_other_teams_keep(run):
    routes, policies = run("check", ROUTE, POLICY), run("check", POLICY)

    assert routes[:2] == (0, "")
    assert "warning: a.yaml:5:1: spec.gatewayRef: no gateway is the default one" in routes[2]
    assert policies[:2] == (0, "")
    assert "spec.targetRefs[0].name: there is no MCPRoute tools in namespace default" in policies[2]


def test_a_gateway_or_a_route_that_is_named_wrong_beside_others_is_a_fault(run):
    elsewhere = ROUTE.replace("spec:", "spec:\n  gatewayRef: {name: other}")
    wrong = POLICY.replace("name: tools}", "name: tool}")

    assert run("check", GATEWAY, elsewhere)[0] == 1
    assert run("check", GATEWAY, ROUTE, wrong)[0] == 1


def test_a_route_without_policy_is_a_warning(run):
    code, out, err = run("check", GATEWAY, ROUTE)

    assert (code, out) == (0, "")
    assert err.splitlines()[0] == (
        "warning: a.yaml:9:1: no policy is attached: every call is refused until an MCPPolicy "
        "allows something"
    )


def test_a_secret_that_is_not_in_the_folder_is_a_warning(run):
    header = (
        "  mcp: {upstreamAuth: {type: Header, header: {name: X-K, valueRef: {name: s, key: k}}}}\n"
    )
    code, out, err = run("check", GATEWAY, ROUTE + header, POLICY)

    assert (code, out) == (0, "")
    assert "a.yaml:14:58: spec.mcp.upstreamAuth.header.valueRef: there is no Secret s" in err


def test_every_fault_is_said_with_its_place_and_the_exit_code_is_1(run):
    spoiled = POLICY.replace("who: {everyone: true}", "wo: {}")
    late = "    - {name: late, effect: Deny, when: {days: [Someday]}}\n"
    code, out, err = run("check", GATEWAY, ROUTE.replace("to:", "too:"), spoiled + late)

    assert code == 1
    assert [line.partition("; ")[0] for line in out.splitlines()] == [
        "a.yaml:13:8: spec.too: unknown field",
        "a.yaml:21:34: spec.rules[0].wo: unknown field",
        "a.yaml:22:48: spec.rules[1].when.days[0]: 'Someday' is not a day",
    ]
    assert err.splitlines()[-1].endswith("faults")


@pytest.mark.parametrize(
    "text", ["", "\x00", "[" * 10_000, "a: &a [*a]", "\ufeff", "- 1\n- 2\n", "a: 1\nb: {"]
)
def test_a_broken_or_empty_file_is_a_fault_with_its_place(run, text):
    code, out, _ = run("check", text)

    assert code == 1
    assert out


def test_what_may_not_be_laid_over_pods_is_a_fault_without_a_cluster_too(run):
    code, out, _ = run("check", GATEWAY + "  proxy: {podTemplate: {spec: {hostNetwork: true}}}\n")

    assert code == 1
    assert out.startswith("a.yaml:8:45: spec.proxy.podTemplate.spec.hostNetwork: can't be set here")


def test_rendering_prints_the_objects_as_a_cluster_would_get_them(run):
    _, out, _ = run("render", GATEWAY, ROUTE.replace("http://127.0.0.1:9000", "http://tools"))

    shown: list[Any] = [document.value for document in read_documents(out.encode(), "out")]
    kinds = [item.get("kind", "bundle") for item in shown]
    assert kinds == [
        "bundle",
        "PersistentVolumeClaim",
        "Service",
        "Service",
        "Deployment",
        "MCPGateway",
        "MCPRoute",
    ]
    assert shown[0]["config"]["routes"][0]["upstream"]["url"] == "http://tools.default.svc/mcp"


def test_rendering_prints_configuration_and_statuses_and_no_secret(run):
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hunter3}\n"
    header = (
        "  mcp: {upstreamAuth: {type: Header, header: {name: X-K, valueRef: {name: s, key: k}}}}\n"
    )
    code, out, err = run("render", GATEWAY, ROUTE + header, POLICY, secret)

    assert (code, err) == (0, "")
    assert "url: http://127.0.0.1:8080/default/tools" in out
    assert "kind: MCPPolicy" in out
    assert "hunter" not in out


def test_rendering_stops_at_objects_that_no_cluster_would_take(run):
    code, out, err = run("render", GATEWAY, ROUTE.replace("tools", "Not_A_Name"))

    assert (code, out) == (1, "")
    assert "a.yaml:11:18: metadata.name" in err


@pytest.mark.parametrize("command", ["check", "render", "import"])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(main, [command, "--help"])

    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_the_list_of_commands_imports_none_of_them():
    result = CliRunner().invoke(main, ["--help"])

    assert "check" in result.output
    assert "render" in result.output
