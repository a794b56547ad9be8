"""What the demo in a cluster applies can be read, and is what the demo on one machine serves."""

from pathlib import Path
from urllib.parse import urlsplit

from ostiary import __version__
from ostiary.resources.manifest import read_manifest, read_resource
from ostiary_cli.demo.cluster.objects import (
    Addresses,
    app,
    default_gateway,
    github,
    github_credentials,
    policy,
)
from ostiary_operator.default_gateway import read_gateway

ADDRESSES = Addresses(gateway="127.0.0.1:7200", github="127.0.0.1:7202")


def test_the_operator_takes_the_default_gateway_from_the_config_map(tmp_path: Path) -> None:
    _, config_map = default_gateway(ADDRESSES)
    file = tmp_path / "gateway.yaml"
    file.write_text(config_map["data"]["gateway.yaml"])

    gateway = read_gateway(file)

    assert gateway["metadata"] == {"name": "main", "namespace": "demo-platform", "labels": {}}
    assert gateway["spec"]["publicUrl"] == "http://127.0.0.1:7200"
    assert gateway["spec"]["default"] is True


def test_route_and_policy_can_be_read_and_meet() -> None:
    deployment, _, route = app()
    rules = policy("10:00-12:00")

    for each in (route, rules):
        read_resource(read_manifest(dict(each)))

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ostiary-demo:{__version__}"
    assert rules["spec"]["targetRefs"] == [{"kind": "MCPRoute", "name": route["metadata"]["name"]}]
    assert rules["metadata"]["namespace"] == route["metadata"]["namespace"]
    hours = [rule["when"]["hours"] for rule in rules["spec"]["rules"] if "when" in rule]
    assert hours == [["10:00-12:00"]]


def test_browser_and_proxy_find_the_pretend_github_at_one_address() -> None:
    secret = github_credentials("s3cret")
    service, route, rules = github(ADDRESSES)

    for each in (route, rules):
        read_resource(read_manifest(dict(each)))

    endpoint = route["spec"]["mcp"]["upstreamOAuth2"]["endpoint"]
    origins = {url.removesuffix(urlsplit(url).path) for url in endpoint.values()}
    assert origins == {f"http://{ADDRESSES.github}"}
    assert route["spec"]["to"] == f"http://{service['metadata']['name']}/mcp"
    assert secret["stringData"] == {"clientSecret": "s3cret"}
    found = {each["metadata"]["namespace"] for each in (secret, service, route, rules)}
    assert found == {"demo-platform"}
