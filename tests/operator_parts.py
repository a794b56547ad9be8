"""Objects as an API server gives them, for tests of the operator."""

from typing import Any

__all__ = ["body", "gateway", "policy", "route"]


def body(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str = "team",
    uid: str = "",
    version: int = 1,
    **meta: Any,
) -> dict[str, Any]:
    """Return the head of an object."""
    head = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version), **meta}
    if namespace:
        head["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": head}


def _ours(kind: str, name: str, spec: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    head = {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z", **meta}
    return {**body("ostiary.dev/v1alpha1", kind, name, **head), "spec": spec}


def gateway(
    name: str = "gw", provider: dict[str, Any] | None = None, **meta: Any
) -> dict[str, Any]:
    oidc = {"oidc": {"issuer": "https://login.example.com", "clientId": "ostiary"}}
    spec = {
        "default": True,
        "publicUrl": "https://mcp.example.com",
        "identityProvider": provider or oidc,
        "listeners": [{"name": "all", "hostname": "*.example.com"}],
    }
    return _ours("MCPGateway", name, spec, meta)


def route(name: str = "tools", spec: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return _ours("MCPRoute", name, {"to": "http://tools:8080/mcp", "mcp": {}, **(spec or {})}, meta)


def policy(name: str = "allow", target: str = "tools", **meta: Any) -> dict[str, Any]:
    spec = {
        "targetRefs": [{"group": "ostiary.dev", "kind": "MCPRoute", "name": target}],
        "rules": [{"name": "all", "effect": "Allow", "who": {"everyone": True}}],
    }
    return _ours("MCPPolicy", name, spec, meta)
