"""What the two installations have in common, and what only the one for a whole cluster has."""

from typing import Any

from ostiary_cli.installation import Installation

WEBHOOK = "ValidatingWebhookConfiguration"


def kinds(installation: Installation) -> set[str]:
    return {found["kind"] for found in installation.objects()}


def service_ports(installation: Installation) -> list[Any]:
    (service,) = (found for found in installation.objects() if found["kind"] == "Service")
    return [(port["name"], port["port"]) for port in service["spec"]["ports"]]


def test_a_confined_operator_has_nothing_of_the_whole_cluster() -> None:
    confined, wide = Installation(namespace="ostiary", confined=True), Installation()

    assert kinds(wide) - kinds(confined) == {"ClusterRoleBinding", WEBHOOK}
    assert service_ports(confined) == [("http", 8082)]
    assert service_ports(wide) == [("http", 8082), ("webhook", 443)]


def test_the_configuration_of_the_webhook_is_brought_empty() -> None:
    (found,) = (each for each in Installation().objects() if each["kind"] == WEBHOOK)

    assert set(found) == {"apiVersion", "kind", "metadata"}
