"""What is renewed in Secrets reaches proxies that run: certificates of hosts, and keys."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from certificate_parts import Authority, Pair
from e2e.gateways import gateway
from e2e.kubectl import Kubectl, eventually, new_namespace

HOST = "mcp.example.com"
OIDC = {"oidc": {"issuer": "https://login.example.com", "clientId": "ostiary"}}
SECURED: dict[str, Any] = {
    "publicUrl": f"https://{HOST}",
    "identityProvider": OIDC,
    "listeners": [
        {"name": "public", "hostname": HOST, "tls": {"certificateRefs": [{"name": "example"}]}}
    ],
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(installed: Kubectl, authority: Authority) -> Iterator[Kubectl]:
    """A gateway whose proxy speaks TLS; its certificate comes after it."""
    with new_namespace() as kubectl:
        kubectl.apply(gateway(0, **SECURED))
        eventually(lambda: reason(kubectl), lambda said: said == "SecretNotFound")
        put(kubectl, authority.issue(HOST, file="first", server=True))
        kubectl.wait_for("mcpgateway/main")
        yield kubectl


def put(kubectl: Kubectl, pair: Pair) -> None:
    """Keep a certificate as cert-manager does, with the label by which it is heard of at once."""
    metadata = {"name": "example", "labels": {"ostiary.dev/credential": "true"}}
    data = {"tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata,
         "stringData": data},
    )  # fmt: skip


def reason(kubectl: Kubectl) -> str:
    """Return why the gateway's references resolve or don't."""
    conditions = kubectl.get("mcpgateway", "main")["status"].get("conditions", [])
    found = [item["reason"] for item in conditions if item["type"] == "ResolvedRefs"]
    return str(found[0]) if found else ""


def shown(port: int, authority: Authority) -> str:
    """Return the serial number of the certificate that a new connection is shown."""
    client = ssl.create_default_context(cafile=str(authority.file))
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname=HOST) as tls,
    ):
        return str((tls.getpeercert() or {})["serialNumber"])


def pods(kubectl: Kubectl) -> list[str]:
    found = kubectl.get("pods", "--selector=app.kubernetes.io/instance=main")
    return [item["metadata"]["uid"] for item in found]


def test_a_renewed_certificate_is_shown_and_a_wrong_one_is_not(
    secured: Kubectl, authority: Authority
) -> None:
    before = pods(secured)
    with secured.port_forward("service/ostiary-main", 443) as port:
        first = shown(port, authority)
        put(secured, authority.issue(HOST, file="second", server=True))
        second = eventually(lambda: shown(port, authority), lambda said: said != first)

        put(secured, authority.issue("other.example.org", file="other", server=True))
        eventually(lambda: reason(secured), lambda said: said == "CertificateInvalid")
        assert shown(port, authority) == second
        put(secured, authority.issue(HOST, file="third", server=True))
        eventually(lambda: reason(secured), lambda said: said == "ResolvedRefs")
        assert eventually(lambda: shown(port, authority), lambda said: said != second)

    assert pods(secured) == before


def test_a_new_key_is_published_and_told_where_an_annotation_asks_for_it(
    secured: Kubectl,
) -> None:
    before = pods(secured)
    secured("annotate", "mcpgateway/main", "ostiary.dev/rotate-keys=access one")

    status = eventually(
        lambda: secured.get("mcpgateway", "main")["status"], lambda said: "keyRotations" in said
    )

    assert [(item["ring"], item["stage"]) for item in status["keyRotations"]] == [
        ("access", "Published")
    ]
    eventually(lambda: secured.logs("deployment/ostiary-main"), lambda said: "keys changed" in said)
    assert pods(secured) == before
