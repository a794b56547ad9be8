"""The validating webhook: what kubectl says at once, and that nobody has to wait for it."""

import base64
import http.client
import json
import re
import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from e2e.gateways import ALL, gateway, policy
from e2e.kubectl import Kubectl, KubectlFailed, eventually
from ostiary_operator.webhook_configuration import CONFIGURATION

HOST = "ostiary-operator.ostiary-system.svc"
GROUPS = {"name": "eng", "effect": "Allow", "who": {"groups": ["eng"]}}
BAD = policy({**GROUPS, "when": {"timeZone": "Europe/Atlantis", "days": ["Mon"]}})
SAID = (
    'The MCPPolicy "rules" is invalid: spec.rules[0].when.timeZone:'
    " 'Europe/Atlantis' is not an IANA time zone; write it like Europe/Berlin"
)
DRY = ("--dry-run=server",)


@pytest.fixture(autouse=True)
def answering(installed: Kubectl, kubectl: Kubectl) -> None:
    """The webhook answers."""
    installed.wait_for("deployment/ostiary-operator", "condition=Available")
    eventually(lambda: refusal(kubectl), lambda said: said == SAID, 60)


def refusal(kubectl: Kubectl, *manifests: Any) -> str:
    """Return what kubectl says against a manifest, the bad policy unless given; '' for nothing."""
    try:
        kubectl.apply(*(manifests or (BAD,)), options=DRY)
    except KubectlFailed as failed:
        return str(failed)
    return ""


def test_a_dry_run_names_field_and_mend(kubectl: Kubectl) -> None:
    pods = {"podTemplate": {"spec": {"hostNetwork": True}}}
    field = "spec.proxy.podTemplate.spec.hostNetwork"

    assert refusal(kubectl) == SAID
    found = refusal(kubectl, gateway(8080, proxy=pods))
    assert found.startswith(f'The MCPGateway "main" is invalid: {field}: ')
    assert kubectl("get", "mcppolicies,mcpgateways", "-o", "name") == ""


def test_what_opens_everything_is_a_warning(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlFailed) as failed:
        kubectl.apply(policy(ALL), options=(*DRY, "--warnings-as-errors"))

    warning = "Warning: spec.rules[0]: allows everything to everyone who can log in"
    assert warning in str(failed.value).splitlines()
    assert refusal(kubectl, policy(GROUPS)) == ""


def test_both_replicas_answer(installed: Kubectl) -> None:
    names = replicas(installed)

    assert [allowed(installed, name) for name in names] == [False, False]
    print(f"the API server waited {waited(installed) * 1000:.1f} ms for an answer on average")


def replicas(kubectl: Kubectl) -> list[str]:
    pods = kubectl.get("pods", "--selector=app.kubernetes.io/name=ostiary-operator")
    found = (pod["metadata"] for pod in pods)
    return [meta["name"] for meta in found if "deletionTimestamp" not in meta]


def allowed(kubectl: Kubectl, pod: str) -> object:
    """Ask one replica whether the bad policy is allowed; None where it shows another authority."""
    ca = kubectl.get("secret", "ostiary-operator-webhook")["data"]["ca.crt"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(ca).decode())
    asked = {"uid": "1", "object": {**BAD, "metadata": {"name": "rules", "namespace": "team"}}}
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    body = json.dumps({**head, "request": asked})
    with (
        suppress(ssl.SSLCertVerificationError),
        kubectl.port_forward(f"pod/{pod}", 8443) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        trusted.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        connection = http.client.HTTPConnection(HOST)
        connection.sock = secured
        connection.request("POST", "/review", body, {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())["response"]["allowed"]
    return None


def waited(kubectl: Kubectl) -> float:
    """Return the mean of what the API server says it waited for the webhook, in seconds."""
    measured = {"sum": 0.0, "count": 0.0}
    start = re.compile(
        r"apiserver_admission_webhook_admission_duration_seconds_(sum|count){.*} (.*)"
    )
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        if (found := start.match(line)) and "objects.ostiary.dev" in line:
            measured[found[1]] += float(found[2])
    return measured["sum"] / measured["count"]


def test_the_operator_may_fill_its_configuration_and_make_none(installed: Kubectl) -> None:
    what = f"validatingwebhookconfigurations/{CONFIGURATION}"
    me = "--as=system:serviceaccount:ostiary-system:ostiary-operator"

    assert installed("auth", "can-i", "patch", what, me) == "yes\n"
    with pytest.raises(KubectlFailed, match="no"):
        installed("auth", "can-i", "create", "validatingwebhookconfigurations", me)


def test_what_somebody_takes_out_of_the_configuration_comes_back(kubectl: Kubectl) -> None:
    what = ("validatingwebhookconfiguration", CONFIGURATION)
    before = kubectl.get(*what)["webhooks"]
    kubectl("patch", *what, "--type=merge", '--patch={"webhooks": []}')

    after = eventually(lambda: kubectl.get(*what).get("webhooks"))

    assert after == before
    (webhook,) = after
    assert (webhook["failurePolicy"], webhook["sideEffects"], webhook["timeoutSeconds"]) == (
        "Ignore",
        "None",
        3,
    )


def test_a_new_authority_and_certificate_are_taken_live(
    installed: Kubectl, kubectl: Kubectl
) -> None:
    before, starts = authorities(kubectl), replicas(installed)
    installed("delete", "secret", "ostiary-operator-webhook")

    eventually(lambda: authorities(kubectl), lambda found: found not in ("", before), 60)

    eventually(lambda: refusal(kubectl), lambda said: said == SAID, 30)
    for name in starts:  # each replica takes the certificate in its own time
        eventually(partial(allowed, installed, name), lambda said: said is False, 30)


def authorities(kubectl: Kubectl) -> str:
    (webhook,) = kubectl.get("validatingwebhookconfiguration", CONFIGURATION)["webhooks"]
    return str(webhook["clientConfig"]["caBundle"])


def test_without_an_operator_objects_are_stored_and_its_next_plan_finds_the_fault(
    installed: Kubectl, kubectl: Kubectl
) -> None:
    names = replicas(installed)
    installed("scale", "deployment/ostiary-operator", "--replicas=0")
    for name in names:
        installed("wait", f"pod/{name}", "--for=delete", "--timeout=60s")

    began = time.monotonic()
    kubectl.apply(BAD)
    print(f"stored without an operator in {time.monotonic() - began:.1f} s")
    installed("scale", "deployment/ostiary-operator", "--replicas=2")

    kubectl.wait_for(
        "mcppolicy/rules", "jsonpath={.status.conditions[?(@.type=='Accepted')].reason}=Invalid"
    )
    eventually(lambda: refusal(kubectl, policy({**GROUPS, "condition": "("})), bool, 60)
    # What was stored can still be labelled and deleted, and its spec mended but not made worse.
    assert "labeled" in kubectl("label", "mcppolicy/rules", "team=a")
    kubectl.apply(policy(GROUPS))
    assert refusal(kubectl) == SAID
