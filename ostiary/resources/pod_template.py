"""What a gateway's `podTemplate` may say; all else is what a proxy relies on, and refused.

Whoever may write MCPGateways must not thereby run a pod that Pod Security "restricted" forbids, or
one that holds a token for the API server; and nothing laid over the proxies may take from them what
they promise. The CRD keeps the field as it came, so that a refusal names it instead of losing it.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import pydantic
from pydantic import AfterValidator, Field

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.model import Model
from ostiary.resources.manifest import strictly
from ostiary.resources.meta import DnsLabel

__all__ = ["KEYS", "OUR_CONTAINERS", "OUR_VOLUMES", "pod_template_faults"]

KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
"""Lists that are merged, and the key of their items; every other list is replaced."""
OUR_CONTAINERS: Final = ("proxy", "dev-identity")
OUR_VOLUMES: Final = ("admin", "bundle", "checkpoints", "dev-identity", "keys", "state", "tmp")
_SHOWN_VOLUMES: Final = frozenset({"checkpoints", "state"})
"""Those of our volumes that other containers may mount: the audit log can be carried away."""
_OUR_PATHS: Final = ("/etc/ostiary/", "/tmp/", "/var/lib/ostiary/", "/var/lib/ostiary-checkpoints/")  # noqa: S108 - in the pod
_OUR_ENVIRONMENT: Final = ("OSTIARY_", "KUBERNETES_")
_OUR_LABELS: Final = frozenset(
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "managed-by")
)
_REFUSED: Final = "can't be set here: proxies rely on it, or there is no such field; remove it"

Free = dict[str, Any]
FreeList = tuple[Free, ...]


def _check_key(key: str) -> str:
    if key in _OUR_LABELS or key.startswith("ostiary.dev/"):
        raise ValueError(f"{key} is the operator's; remove it")
    return key


def _check_variable(name: str) -> str:
    if name.startswith(_OUR_ENVIRONMENT):
        raise ValueError(f"{name} is the proxy's own; remove it")
    return name


def _check_place(path: str) -> str:
    """Refuse a mount that would hide one of ours, or lie within one."""
    mount = f"/{posixpath.normpath(path).strip('/')}/".replace("//", "/")
    if not path.startswith("/") or any(
        mount.startswith(ours) or ours.startswith(mount) for ours in _OUR_PATHS
    ):
        raise ValueError("choose an absolute path apart from the proxy's, such as /etc/extra")
    return path


def _check_new(name: str) -> str:
    if name in (*OUR_CONTAINERS, *OUR_VOLUMES):
        raise ValueError(f"{name} is the proxy's own; choose another name")
    return name


def _check_shown(volume: str) -> str:
    if volume in OUR_VOLUMES and volume not in _SHOWN_VOLUMES:
        raise ValueError(f"the volume {volume} holds secrets of the proxy; mount another")
    return volume


NewName = Annotated[DnsLabel, AfterValidator(_check_new)]


class _Variable(Model):
    name: Annotated[str, AfterValidator(_check_variable)]
    value: str | None = None
    value_from: Free | None = None


class _AnyVariable(_Variable):
    name: str


class _Mount(Model):
    name: DnsLabel
    mount_path: Annotated[str, AfterValidator(_check_place)]
    read_only: bool | None = None
    recursive_read_only: str | None = None
    sub_path: str | None = None
    sub_path_expr: str | None = None
    mount_propagation: Literal["None"] | None = None


class _AnyMount(_Mount):
    name: Annotated[DnsLabel, AfterValidator(_check_shown)]
    mount_path: str


class _Port(Model):
    """A port of another container; a port of the node is nobody's to take."""

    container_port: int
    name: str | None = None
    protocol: str | None = None


class _OurContainer(Model):
    """What may be said of a container of ours."""

    name: Literal["proxy", "dev-identity"]
    env: tuple[_Variable, ...] | None = None
    image_pull_policy: str | None = None
    resources: Free | None = None
    volume_mounts: tuple[_Mount, ...] | None = None


class _Container(Model):
    """Another container; it runs as confined as ours do."""

    name: NewName
    args: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: tuple[_AnyVariable, ...] | None = None
    env_from: FreeList | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    lifecycle: Free | None = None
    liveness_probe: Free | None = None
    ports: tuple[_Port, ...] | None = None
    readiness_probe: Free | None = None
    resources: Free | None = None
    restart_policy: str | None = None
    startup_probe: Free | None = None
    termination_message_path: str | None = None
    termination_message_policy: str | None = None
    volume_mounts: tuple[_AnyMount, ...] | None = None
    working_dir: str | None = None


class _Source(Model):
    """A part of a projected volume; no token for the API server."""

    cluster_trust_bundle: Free | None = None
    config_map: Free | None = None
    downward_api: Annotated[Free | None, Field(alias="downwardAPI")] = None
    secret: Free | None = None


class _Projected(Model):
    sources: tuple[_Source, ...] | None = None
    default_mode: int | None = None


class _Volume(Model):
    """A volume; no folder of the node."""

    name: NewName
    config_map: Free | None = None
    csi: Free | None = None
    downward_api: Annotated[Free | None, Field(alias="downwardAPI")] = None
    empty_dir: Free | None = None
    ephemeral: Free | None = None
    persistent_volume_claim: Free | None = None
    projected: _Projected | None = None
    secret: Free | None = None


class _PodSpec(Model):
    affinity: Free | None = None
    containers: tuple[Any, ...] | None = None  # read by name: ours, or another
    dns_config: Free | None = None
    dns_policy: str | None = None
    host_aliases: FreeList | None = None
    init_containers: tuple[_Container, ...] | None = None
    node_selector: dict[str, str] | None = None
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    scheduler_name: str | None = None
    tolerations: FreeList | None = None
    topology_spread_constraints: FreeList | None = None
    volumes: tuple[_Volume, ...] | None = None


class _Metadata(Model):
    labels: dict[Annotated[str, AfterValidator(_check_key)], str] | None = None
    annotations: dict[Annotated[str, AfterValidator(_check_key)], str] | None = None


class _PodTemplate(Model):
    metadata: _Metadata | None = None
    spec: _PodSpec | None = None


def pod_template_faults(template: Mapping[str, Any], path: str) -> tuple[Fault, ...]:
    """Return what stands in a `podTemplate` that may not, as paths below `path`."""
    faults = [*_faults(_PodTemplate, template, path)]
    spec = template.get("spec")
    listed = spec.get("containers") if isinstance(spec, dict) else None
    for index, item in enumerate(listed if isinstance(listed, list) else ()):
        ours = isinstance(item, dict) and item.get("name") in OUR_CONTAINERS
        model = _OurContainer if ours else _Container
        faults += _faults(model, item, f"{path}.spec.containers[{index}]")
    return tuple(faults or _twins(spec or {}, f"{path}.spec"))


def _faults(model: type[pydantic.BaseModel], value: Any, path: str) -> Iterator[Fault]:
    try:
        strictly(model, value, path)
    except Faulty as faulty:
        for fault in faulty.faults:
            unknown = fault.message.startswith("unknown field")
            message = _REFUSED if unknown else fault.message
            yield replace(fault, path=fault.path.removesuffix(".[key]"), message=message)


def _twins(value: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Yield the keys that stand twice in a list that is merged by them."""
    for field, key in KEYS.items():
        seen: set[Any] = set()
        for index, item in enumerate(value.get(field) or ()):
            at = f"{path}.{field}[{index}]"
            if item[key] in seen:
                yield Fault(path=f"{at}.{key}", message=f"{item[key]} stands twice; remove one")
            seen.add(item[key])
            yield from _twins(item, at)
