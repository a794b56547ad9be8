"""What each side may do in a cluster: every permission once, with the reason for it.

The roles in `manifests/install*.yaml` and the page that explains them are made of this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ostiary.resources.meta import GROUP

__all__ = [
    "CLUSTER_ONLY", "OWN_NAMESPACE", "USERS", "WORKING", "Permission", "UserRole", "explained",
    "rules",
]  # fmt: skip

_READ: Final = ("get", "list", "watch")
_WATCH: Final = ("list", "watch")
_OWN: Final = (*_READ, "create", "patch", "delete")
_ALL: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on resources of one API group, and what they are for; `names` are those of objects."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()


WORKING: Final = (
    Permission(
        GROUP,
        ("mcpgateways", "mcproutes", "mcppolicies"),
        _READ,
        "the three kinds are what it works on",
    ),
    Permission(GROUP, ("mcpgateways",), ("create",), "the default gateway is made once"),
    Permission(
        GROUP,
        ("mcpgateways/status", "mcproutes/status", "mcppolicies/status"),
        ("patch",),
        "statuses say what holds",
    ),
    Permission("", ("services",), _OWN, "routes name Services; each gateway has two of its own"),
    Permission(
        "",
        ("secrets",),
        _OWN,
        "credentials are read by name; keys, certificates and the bundle are kept in Secrets",
    ),
    Permission("apps", ("deployments",), _OWN, "the proxies of each gateway"),
    Permission("policy", ("poddisruptionbudgets",), _OWN, "drains leave proxies standing"),
    Permission(
        "autoscaling",
        ("horizontalpodautoscalers",),
        _OWN,
        "proxies are counted by the load where a gateway says so",
    ),
    Permission(
        "",
        ("persistentvolumeclaims",),
        (*_READ, "create", "patch"),
        "SQLite needs a disk; it is never deleted by the operator",
    ),
    Permission("", ("pods",), _WATCH, "each proxy is told of a new configuration"),
    Permission("", ("events",), ("create",), "Ready that changes is an event"),
    Permission(
        "gateway.networking.k8s.io",
        ("referencegrants",),
        _WATCH,
        "other namespaces' Services are named by their leave",
    ),
)
"""In the namespaces that it works for: all of them, or those it is confined to."""

CLUSTER_ONLY: Final = (
    Permission("", ("namespaces",), _WATCH, "listeners select namespaces by label"),
    Permission(
        "apiextensions.k8s.io",
        ("customresourcedefinitions",),
        _WATCH,
        "kinds that arrive later are noticed",
    ),
    Permission(
        "admissionregistration.k8s.io",
        ("validatingwebhookconfigurations",),
        ("get", "patch"),
        "the API server is told of the webhook, in the one that the installation brings empty",
        names=("ostiary-operator",),
    ),
)
"""What a confined operator does without."""

OWN_NAMESPACE: Final = (
    Permission(
        "coordination.k8s.io",
        ("leases",),
        ("get", "create", "update"),
        "one replica leads, and remembers there that it made the default gateway",
    ),
    Permission(
        "",
        ("podtemplates",),
        ("get",),
        "one says which image proxies are of",
        names=("ostiary-proxy",),
    ),
)
"""In the namespace that it runs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRole:
    """A ClusterRole for people. `joins` are the built-in roles that it is added to."""

    name: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    joins: tuple[str, ...] = ()


USERS: Final = (
    UserRole(
        name="ostiary-view",
        resources=("mcpgateways", "mcproutes", "mcppolicies"),
        verbs=_READ,
        joins=("view", "edit", "admin"),
    ),
    UserRole(
        name="ostiary-route-editor", resources=("mcproutes",), verbs=_ALL, joins=("edit", "admin")
    ),
    UserRole(name="ostiary-policy-editor", resources=("mcppolicies",), verbs=_ALL),
    UserRole(name="ostiary-gateway-editor", resources=("mcpgateways",), verbs=_ALL),
)
"""App teams edit routes with what they have; gateways and policies are given by hand, so that an
app team can't allow itself."""


def rules(permissions: Iterable[Permission]) -> Sequence[dict[str, Any]]:
    """Return the permissions as rules of a Role."""
    return [
        {
            "apiGroups": [permission.group],
            "resources": list(permission.resources),
            "verbs": list(permission.verbs),
            **({"resourceNames": list(permission.names)} if permission.names else {}),
        }
        for permission in permissions
    ]


def explained() -> str:
    """Return the page for whoever has to grant the permissions."""
    parts = (
        ("In every namespace, or in the one that it is confined to", WORKING),
        ("In the whole cluster; a confined operator does without", CLUSTER_ONLY),
        ("In its own namespace", OWN_NAMESPACE),
    )
    lines = [_TITLE]
    for heading, permissions in parts:
        lines += [f"\n### {heading}\n", "| resources | verbs | why |", "|---|---|---|"]
        lines += [_row(permission) for permission in permissions]
    lines += [_PEOPLE, "| role | resources | verbs | part of |", "|---|---|---|---|"]
    for role in USERS:
        joins = ", ".join(role.joins) or "nothing: bind it by hand"
        verbs = "all" if role.verbs == _ALL else ", ".join(role.verbs)
        lines.append(f"| `{role.name}` | {', '.join(role.resources)} | {verbs} | {joins} |")
    return "\n".join(lines) + "\n"


_TITLE: Final = """# Permissions

<!-- Generated from ostiary_cli.permissions by `make generate`. -->

## What the operator may do

`manifests/install.yaml` grants it for all namespaces, `manifests/install-namespace.yaml` for one.
It can change no pod, and no custom resource but for making the default gateway.
The proxies have no permission at all."""
_PEOPLE: Final = """
## What people may do

App teams edit routes with the roles they have.
Gateways and policies are given by hand, so that an app team can't allow itself.
"""


def _row(permission: Permission) -> str:
    group = f" ({permission.group})" if permission.group else ""
    names = "".join(f" `{name}`" for name in permission.names)
    verbs = ", ".join(permission.verbs)
    resources = f"{', '.join(permission.resources)}{group}{names}"
    return f"| {resources} | {verbs} | {permission.why} |"
