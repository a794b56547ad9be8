"""The operator's command line, as far as it can be asked without a cluster."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ostiary_operator.default_gateway import read_gateway
from ostiary_operator.main import main

GATEWAY = """\
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata: {name: default, namespace: ostiary-system, labels: {team: platform}}
spec:
  default: true
  publicUrl: https://mcp.example.com
  identityProvider: {oidc: {issuer: https://login.example.com, clientId: ostiary}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY)
    return path


def run(*arguments: str) -> Result:
    given = ("--proxy-image", "proxy:1", "--own-namespace", "ostiary-system", *arguments)
    return CliRunner(env={"KUBECONFIG": "/nowhere"}).invoke(main, given)


def test_help_shows_examples() -> None:
    said = CliRunner().invoke(main, ["--help"]).output

    assert "ostiary-operator --proxy-image registry.example.com/ostiary-proxy:0.1.0" in said
    assert "OSTIARY_OPERATOR_PROXY_IMAGE" in said


def test_one_place_says_the_image_of_proxies() -> None:
    neither = CliRunner().invoke(main, ["--own-namespace", "ostiary-system"])
    both = run("--proxy-template", "ostiary-proxy")

    assert (neither.exit_code, both.exit_code) == (2, 2)
    assert "give one of --proxy-image and --proxy-template" in neither.output
    assert "give one of --proxy-image and --proxy-template" in both.output


def test_the_default_gateway_is_read_whole(file: Path) -> None:
    found = read_gateway(file)

    assert found["metadata"] == {
        "name": "default",
        "namespace": "ostiary-system",
        "labels": {"team": "platform"},
    }
    assert found["spec"]["publicUrl"] == "https://mcp.example.com"


def test_a_default_gateway_with_a_fault_is_refused_with_its_place(file: Path) -> None:
    file.write_text(GATEWAY.replace("https://mcp", "ftp://mcp"))

    result = run("--default-gateway", str(file))

    assert result.exit_code == 2
    assert f"{file}:6:14: spec.publicUrl" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GATEWAY + "---\n" + GATEWAY, "one MCPGateway is needed; 2 objects are given"),
        (GATEWAY.replace("MCPGateway", "MCPRoute"), "write MCPGateway"),
    ],
)
def test_anything_but_one_gateway_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text)

    result = run("--default-gateway", str(file))

    assert result.exit_code == 2
    assert said in result.output


def test_without_a_cluster_it_ends_with_a_reason(file: Path) -> None:
    result = run("--default-gateway", str(file.with_name("absent.yaml")))

    assert result.exit_code == 2


def test_an_operator_for_some_namespaces_has_no_webhook() -> None:
    result = run("--namespace", "team", "--webhook-port", "8443")

    assert result.exit_code == 2
    assert "leave it out beside --namespace" in result.output
