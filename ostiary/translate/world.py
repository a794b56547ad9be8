"""The World: everything that translation looks at, as values; secrets by name and version only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary.config.rotation import Stage
from ostiary.crypto.certificate import CertificateFacts
from ostiary.decode.yaml_documents import Plain
from ostiary.resources.inputs import ReferenceGrantInput, ServiceInput
from ostiary.resources.manifest import Kind, Manifest

__all__ = [
    "Cluster", "DevIdentity", "History", "Observed", "Platform", "ProxyFault", "Reported",
    "Rollout", "SecretFacts", "ServiceFacts", "World",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """A Secret without its values: key → a version that differs wherever the value may.

    `certificate` is what the certificate in it says, or why it is none; None where it holds none.
    """

    namespace: str
    name: str
    keys: Mapping[str, str]
    certificate: CertificateFacts | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """A Service. `type` as Kubernetes has it; `addresses` are its cluster IPs."""

    namespace: str
    name: str
    type: str = "ClusterIP"
    ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: ServiceInput) -> "ServiceFacts":
        """Return what matters of a Service."""
        addresses = {*found.spec.cluster_ips, found.spec.cluster_ip} - {"", "None"}
        return cls(
            namespace=found.metadata.namespace,
            name=found.metadata.name,
            type=found.spec.type,
            ports=tuple(port.port for port in found.spec.ports),
            addresses=tuple(sorted(addresses)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DevIdentity:
    """The development identity provider that runs beside the proxy: an issuer and our client id."""

    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that objects are planned for.

    `image` is the proxy's unless a gateway names its own, `pull_secrets` are names of Secrets in a
    gateway's namespace, `operator_url` is where a proxy asks which revision is current.
    """

    image: str
    operator_url: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Facts of where Ostiary runs.

    `dev_identity` is None where no development provider runs: gateways that ask for one are then
    not accepted. `public_urls` replaces a gateway's publicUrl (key `namespace/name`): `ostiary dev`
    takes a free port. `cluster` is None on one machine: no object is planned then.
    """

    dev_identity: DevIdentity | None = None
    public_urls: Mapping[str, str] = field(default_factory=dict)
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The objects as they came, and the platform's facts. Order never matters.

    `namespaces` maps a namespace to its labels. `services_known` says that `services` is complete,
    so that a Service that is not there does not exist.
    """

    manifests: tuple[Manifest, ...]
    secrets: tuple[SecretFacts, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: tuple[ServiceFacts, ...] = ()
    grants: tuple[ReferenceGrantInput, ...] = ()
    services_known: bool = False
    platform: Platform = Platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFault:
    """What a proxy could not serve of its bundle: a route or policy by key, and why."""

    kind: Kind
    key: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What one proxy says of itself.

    `would` counts, by policy key, the calls that Audit rules would have refused since it started;
    `upstreams` says, by server key, how the last request to the server went: '' for well; `unfit`
    names tools of several servers behind one URL whose joined names no client takes.
    """

    proxy: str
    ready: bool
    revision: int
    faults: tuple[ProxyFault, ...] = ()
    would: Mapping[str, int] = field(default_factory=dict)
    upstreams: Mapping[str, str] = field(default_factory=dict)
    unfit: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How a gateway's Deployment is doing; `message` says what holds it up, '' where nothing does.

    A quota that refuses pods, an image that can't be pulled: whatever the cluster says of it.
    `rotations` are those of its keys that are under way.
    """

    replicas: int
    updated: int
    ready: int
    message: str = ""
    rotations: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was rendered last for one gateway.

    `since` maps `Kind/namespace/name` to the digest that was rendered and the revision at which it
    became so: what Programmed is measured by.
    """

    revision: int
    digest: str
    since: Mapping[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What came back: proxies, rollouts and last renderings by gateway, last statuses by object.

    Keys of `proxies`, `rollouts` and `history` are `namespace/name` of the gateway, of `statuses`
    `Kind/namespace/name`.
    """

    proxies: Mapping[str, tuple[Reported, ...]] = field(default_factory=dict)
    rollouts: Mapping[str, Rollout] = field(default_factory=dict)
    history: Mapping[str, History] = field(default_factory=dict)
    statuses: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
