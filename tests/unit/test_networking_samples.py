"""What stands in manifests/networking fits what a cluster really gets, and lets nobody else in."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from ostiary_proxy.mcp.envelope import MAX_BODY
from ostiary_proxy.pipeline.driver import _SILENCE
from rendered_parts import NETWORKING, Pod, documents, lets_in, operator_pod, proxy_pod, rendered
from sample_parts import GATEWAY

POLICIES = [item for path in NETWORKING.glob("networkpolicy-*.yaml") for item in documents(path)]
SERVER = Pod(namespace="default", labels={"app": "files-mcp"}, ports={"mcp": 8080})
PROXY, OPERATOR = proxy_pod(), operator_pod()
EVERYBODY = {
    "a proxy": PROXY,
    "a proxy of another gateway": Pod(
        namespace="mcp", labels={**PROXY.labels, "app.kubernetes.io/instance": "other"}
    ),
    "one that looks like a proxy": Pod(namespace="team", labels=PROXY.labels),
    "the operator": OPERATOR,
    "one that looks like the operator": Pod(namespace="team", labels=OPERATOR.labels),
    "another pod of the operator's namespace": Pod(namespace="ostiary-system"),
    "the ingress controller": Pod(namespace="ingress-nginx"),
    "Prometheus": Pod(namespace="monitoring"),
    "the MCP server": SERVER,
    "a neighbour of the gateway": Pod(namespace="mcp"),
    "anybody": Pod(namespace="team"),
}


def who_reaches(pod: Pod, port: str) -> set[str]:
    return {who for who, source in EVERYBODY.items() if lets_in(POLICIES, pod, port, source)}


def test_an_mcp_server_takes_connections_of_the_gateways_proxies_and_of_nobody_else() -> None:
    assert who_reaches(SERVER, "mcp") == {"a proxy"}


def test_each_port_of_a_proxy_is_for_those_who_need_it() -> None:
    assert {port: who_reaches(PROXY, port) for port in PROXY.ports} == {
        "http": {"the ingress controller"},
        "admin": {"the operator"},
        "status": {"Prometheus", "the MCP server"},
    }


def test_other_pods_are_as_open_as_without_the_policies() -> None:
    neighbour = Pod(namespace="default", labels={"app": "wiki"}, ports={"http": 80})

    assert who_reaches(neighbour, "http") == set(EVERYBODY)


def hosts() -> list[str]:
    """Return the hosts of the samples' gateway."""
    (gateway,) = (item for item in GATEWAY.objects() if item["kind"] == "MCPGateway")
    listed = (listener["hostname"] for listener in gateway["spec"]["listeners"])
    return [urlsplit(gateway["spec"]["publicUrl"]).netloc, *listed]


def service_ports(name: str) -> list[tuple[str, int]]:
    ports = rendered()[f"Service/{name}"]["spec"]["ports"]
    return [(port["name"], port["port"]) for port in ports]


def one(name: str) -> Any:
    (found,) = documents(NETWORKING / name)
    return found


def test_the_ingress_leads_every_host_of_the_gateway_to_its_service() -> None:
    spec = one("ingress.yaml")["spec"]
    path = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": "ostiary-main", "port": {"name": "http"}}},
    }

    assert spec["rules"] == [{"host": host, "http": {"paths": [path]}} for host in hosts()]
    assert spec["tls"] == [{"hosts": hosts(), "secretName": "mcp-example-com"}]
    assert ("http", 80) in service_ports("ostiary-main")


def test_the_route_leads_every_host_of_the_gateway_to_its_service() -> None:
    spec = one("httproute.yaml")["spec"]

    assert spec["hostnames"] == hosts()
    assert [ref for rule in spec["rules"] for ref in rule["backendRefs"]] == [
        {"name": "ostiary-main", "port": 80}
    ]
    assert ("http", 80) in service_ports("ostiary-main")


@pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io", "nginx.org"])
def test_the_ingress_waits_longer_and_takes_no_less_than_a_proxy(prefix: str) -> None:
    said = one("ingress.yaml")["metadata"]["annotations"]
    seconds = said[f"{prefix}/proxy-read-timeout"].removesuffix("s")
    sizes = {said.get(f"{prefix}/{name}") for name in ("proxy-body-size", "client-max-body-size")}

    assert int(seconds) > _SILENCE
    assert {f"{MAX_BODY // 1024**2}m"} == sizes - {None}
    assert said[f"{prefix}/proxy-buffering"].lower() in ("off", "false")
