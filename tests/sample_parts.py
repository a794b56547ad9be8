"""The samples of manifests/samples, and a machine that serves them as a cluster would.

What a header claims is read from lines such as
`#   alice (engineering) calls read_file {path: a.txt}: refused, saying "why"`.
On this machine people log in at the development identity provider, and a route leads to a server of
the test; everything else is the sample's.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_parts import Gateway, dev, post, until
from hostile_parts import modern
from ostiary.decode.yaml_documents import read_documents
from ostiary_cli.yaml_text import write_documents
from real_parts import ROOT, running

__all__ = [
    "GATEWAY", "SAMPLES", "SECRETS", "Claim", "Outcome", "Sample", "call", "log_in",
    "pretend_github", "samples", "serving",
]  # fmt: skip

SAMPLES = ROOT / "manifests" / "samples"
_PASSWORDS = {"alice": "wonderland", "bob": "builder", "carol": "counting", "dora": "explorer"}
_GITHUB_SECRET = "the-secret"
_SECRETS = {
    ("default", "files-api-key"): {"key": "the-value"},
    ("default", "github-app"): {"secret": _GITHUB_SECRET},
    ("mcp", "oidc-client"): {"secret": "the-secret"},
}
SECRETS = [
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "stringData": values,
    }
    for (namespace, name), values in _SECRETS.items()
]
"""What samples ask their readers to create."""
_CLAIM = re.compile(
    r"^#   (?P<who>\w+) \((?P<group>\w+)\)(?: on (?P<on>\S+))?(?: from (?P<source>\S+))?"
    r" calls (?P<tool>\w+) (?P<arguments>\{.*?\})(?: at [\w-]+/(?P<route>\S+))?"
    r": (?P<outcome>allowed|refused)(?P<more>.*)$",
    re.MULTILINE,
)
_DETAIL = re.compile(r'(saying|and not|the server gets|recorded as) "([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of a header; `details` are what it says beyond allowed and refused."""

    text: str
    who: str
    group: str
    on: str | None
    source: str | None
    tool: str
    arguments: Mapping[str, Any]
    route: str | None
    allowed: bool
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to."""

    allowed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One file of the samples."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    def claims(self) -> list[Claim]:
        """Return what the header claims, in order."""
        return [_claim(found) for found in _CLAIM.finditer(self.path.read_text())]

    @property
    def brings_gateway(self) -> bool:
        return "kind: MCPGateway\n" in self.path.read_text()

    def objects(self) -> list[Any]:
        """Return the objects in the file."""
        return [item.value for item in read_documents(self.path.read_bytes(), self.path.name)]


@contextmanager
def serving(
    folder: Path,
    served: Mapping[Sample, str],
    *,
    port: int,
    oauth: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Run samples side by side, each with the URL of the server behind it.

    `oauth` is the authorization server that stands for GitHub.
    """
    groups = {claim.who: claim.group for sample in served for claim in sample.claims()}
    objects: list[Any] = list(SECRETS)
    if not any(sample.brings_gateway for sample in served):
        objects += GATEWAY.objects()
    for sample, upstream in served.items():
        objects += [_leading_to(upstream, item, oauth) for item in sample.objects()]
    for item in objects:
        if item["kind"] == "MCPGateway":
            item["spec"] |= _here(groups, port)
    with dev(folder, {"samples.yaml": write_documents(objects)}) as gateway:
        yield gateway


def _leading_to(upstream: str, item: Any, oauth: Mapping[str, str] | None) -> Any:
    """Return an object of a sample; if it is a route, with another server behind it."""
    if item["kind"] == "MCPRoute":
        servers = item["spec"].get("backends", [item["spec"]])
        for server in servers:
            server.pop("backendRef", None)
            server["to"] = upstream
        if (account := item["spec"].get("mcp", {}).get("upstreamOAuth2")) is not None:
            del account["provider"]
            account["endpoint"] = oauth
    return item


GATEWAY = Sample(path=SAMPLES / "gateway.yaml")


def samples() -> Sequence[Sample]:
    """Return every sample but the gateway, which the others are served on."""
    return [Sample(path=path) for path in sorted(SAMPLES.glob("*.yaml")) if path != GATEWAY.path]


def log_in(gateway: Gateway, route: str, who: str) -> str:
    """Return the token of a person who logged in at a route."""
    return gateway.log_in(route, username=who, password=_PASSWORDS[who])


def call(gateway: Gateway, issued: str, claim: Claim, route: str) -> Outcome:
    """Make the call of a claim."""
    mirrored = {"Mcp_Method": "tools/call", "Mcp_Name": claim.tool}
    headers = {"MCP_Protocol_Version": "2026-07-28", **mirrored}
    if claim.source is not None:
        headers["X_Forwarded_For"] = claim.source
    answer = post(gateway.url(route), issued, modern(claim.tool, **claim.arguments), **headers)
    body = answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        body = re.findall(rb"^data: (.*)$", body, re.MULTILINE)[-1]
    said = json.loads(body)
    assert not said.get("result", {}).get("isError"), said
    return Outcome(allowed="result" in said, text=json.dumps(said))


@contextmanager
def pretend_github(folder: Path, callback: str) -> Iterator[str]:
    """Run what stands for GitHub and the MCP server there; yields its origin."""
    ready = folder / "github.json"
    command = [
        *(sys.executable, "-m", "ostiary_cli.demo.github", "--listen", "127.0.0.1:0"),
        *("--redirect-uri", callback, "--ready-file", str(ready)),
    ]
    env = {**os.environ, "PRETEND_GITHUB_CLIENT_SECRET": _GITHUB_SECRET}
    with running(command, log=folder / "github.log", env=env):
        until(ready.exists, seconds=60)
        yield json.loads(ready.read_text())["url"]


def _claim(found: re.Match[str]) -> Claim:
    (arguments,) = read_documents(found["arguments"].encode(), "header")
    assert isinstance(arguments.value, dict)
    return Claim(
        text=found[0].removeprefix("#").strip(),
        who=found["who"],
        group=found["group"],
        on=found["on"],
        source=found["source"],
        tool=found["tool"],
        arguments=arguments.value,
        route=found["route"],
        allowed=found["outcome"] == "allowed",
        details=tuple(_DETAIL.findall(found["more"])),
    )


def _here(groups: Mapping[str, str], port: int) -> dict[str, Any]:
    """Return what a gateway says otherwise on this machine."""
    users = [
        {"username": who, "password": _PASSWORDS[who], "groups": [group]}
        for who, group in groups.items()
    ]
    return {
        "publicUrl": f"http://localhost:{port}",
        "identityProvider": {"dev": {"users": users}},
        "trustedProxies": ["127.0.0.0/8"],
    }
