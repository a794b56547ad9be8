"""Gateways, routes and policies as users apply them, and the ways to their pods from outside."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from door_parts import Door, Resource
from e2e.kubectl import Kubectl, new_namespace
from e2e.pods import pod, serve_files

__all__ = [
    "ALL",
    "READ",
    "Fleet",
    "free_pair",
    "gateway",
    "policy",
    "redis",
    "route",
    "three_on_redis",
]

API = "ostiary.dev/v1alpha1"
ALL = {"name": "all", "effect": "Allow", "who": {"everyone": True}}
"""A rule that allows every tool."""
READ = {**ALL, "match": {"tools": ["list_files", "read_file"]}}
"""A rule that allows two."""
_PEOPLE = [{"username": "alice", "password": "secret", "groups": ["eng"]}]
_ADMIN = 8443


def gateway(port: int, *, name: str = "main", **spec: Any) -> dict[str, Any]:
    """Return a gateway whose people are alice; its URL is on loopback, where tests forward it."""
    given = {
        "publicUrl": f"http://localhost:{port}",
        "identityProvider": {"dev": {"users": _PEOPLE}},
        **spec,
    }
    return _ours("MCPGateway", name, given)


def route(to: str, *, name: str = "files", **spec: Any) -> dict[str, Any]:
    """Return a route to an MCP server, on the gateway of its own namespace."""
    return _ours("MCPRoute", name, {"gatewayRef": {"name": "main"}, "to": to, "mcp": {}, **spec})


def policy(
    *rules: dict[str, Any], name: str = "rules", target: str = "files", **spec: Any
) -> dict[str, Any]:
    """Return a policy on one route."""
    ref = {"group": "ostiary.dev", "kind": "MCPRoute", "name": target}
    return _ours("MCPPolicy", name, {"targetRefs": [ref], "rules": list(rules), **spec})


def _ours(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def redis(kubectl: Kubectl, image: str) -> dict[str, Any]:
    """Start a Redis; return the spec of a gateway of three proxies on it."""
    kubectl.apply(pod("redis", image, mounts={"/tmp": {"emptyDir": {}}}, port=6379))
    kubectl("expose", "pod/redis", "--port=6379")
    url = f"redis://redis.{kubectl.namespace}.svc:6379/0"
    kubectl("create", "secret", "generic", "redis", f"--from-literal=url={url}")
    kubectl.wait_for("pod/redis")
    return {
        "proxy": {"replicas": 3},
        "storage": {"type": "Redis", "urlSecretRef": {"name": "redis", "key": "url"}},
        "audit": {"sinks": ["Stdout"]},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet(Resource):
    """A gateway `main` with a route `files`, and the ways to its pods."""

    kubectl: Kubectl
    port: int
    upstream: str

    @classmethod
    def roll_out(
        cls, kubectl: Kubectl, upstream: str, *rules: dict[str, Any], **spec: Any
    ) -> "Fleet":
        """Apply a gateway, a route and a policy of `rules` (none, if none).

        Returns when all is Ready, and every proxy is: the gateway is with its first one.
        """
        port = free_pair()
        items = [gateway(port, **spec), route(upstream), *([policy(*rules)] if rules else ())]
        kubectl.apply(*items)
        for item in items:
            kubectl.wait_for(f"{item['kind']}/{item['metadata']['name']}")
        kubectl("rollout", "status", "deployment/ostiary-main", "--timeout=90s")
        url = f"http://localhost:{port}/{kubectl.namespace}/files"
        return cls(url=url, kubectl=kubectl, port=port, upstream=upstream)

    def obey(self, *rules: dict[str, Any]) -> None:
        """Replace the rules; returns when the status says that every proxy serves these."""
        self.kubectl.apply(policy(*rules))
        generation = self.kubectl.get("mcppolicy", "rules")["metadata"]["generation"]
        seen = f"jsonpath={{.status.observedGeneration}}={generation}"
        self.kubectl.wait_for("mcppolicy/rules", seen)
        self.kubectl.wait_for("mcppolicy/rules")

    def pods(self) -> list[str]:
        """Return the names of the proxies' pods that are not going away."""
        pods = self.kubectl.get("pods", "--selector=app.kubernetes.io/instance=main")
        return sorted(
            p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]
        )

    @contextmanager
    def forwarded(self, to: str = "deployment/ostiary-main") -> Iterator[None]:
        """Forward the gateway's URL, and that of its identity provider, to one pod."""
        with self.kubectl.same_ports(to, self.port, self.port + 1):
            yield

    @contextmanager
    def doors(self) -> Iterator[Sequence[Door]]:
        """Forward a port to every pod; people log in at the identity provider beside the first."""
        pods, origin = self.pods(), f"http://localhost:{self.port}"
        with ExitStack() as stack:
            stack.enter_context(self.kubectl.same_ports(f"pod/{pods[0]}", self.port + 1))
            doors = []
            for name in pods:
                local = stack.enter_context(self.kubectl.port_forward(f"pod/{name}", self.port))
                doors.append(Door(listen=f"127.0.0.1:{local}", origin=origin))
            yield doors


@contextmanager
def three_on_redis(demo_image: str, redis_image: str, *rules: dict[str, Any]) -> Iterator[Fleet]:
    """Roll out three proxies in a namespace of their own."""
    with new_namespace() as kubectl:
        upstream = serve_files(kubectl, demo_image)
        yield Fleet.roll_out(kubectl, upstream, *rules, **redis(kubectl, redis_image))


def free_pair() -> int:
    """Return a port that was free a moment ago, as was the next one."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if _ADMIN in (port, port + 1) or port == 65535:
                continue
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
