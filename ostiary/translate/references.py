"""References to Secrets and Services: whether they exist, and whether they may be named."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ostiary.crypto.certificate import CertificateFacts
from ostiary.resources.meta import GROUP, SecretKeyRef
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.world import SecretFacts, ServiceFacts, World

__all__ = ["References", "SecretKey"]


@dataclass(frozen=True, slots=True, order=True)
class SecretKey:
    """One value of one Secret, by name."""

    namespace: str
    name: str
    key: str

    @property
    def credential(self) -> str:
        """Return the name of the value among a bundle's credentials."""
        return f"{self.namespace}/{self.name}/{self.key}"


@dataclass(frozen=True, slots=True)
class References:
    """The World's other objects, indexed."""

    secrets: Mapping[tuple[str, str], SecretFacts]
    services: Mapping[tuple[str, str], ServiceFacts]
    addresses: Mapping[str, ServiceFacts]
    grants: frozenset[tuple[str, str, str]]
    namespaces: frozenset[str]
    services_known: bool

    @classmethod
    def of(cls, world: World) -> "References":
        """Index `world`."""
        return cls(
            secrets={(secret.namespace, secret.name): secret for secret in world.secrets},
            services={(service.namespace, service.name): service for service in world.services},
            addresses={
                str(ipaddress.ip_address(address)): service
                for service in world.services
                for address in service.addresses
                if _is_address(address)
            },
            grants=frozenset(_granted(world)),
            namespaces=frozenset(
                {*world.namespaces, *(item.meta.namespace for item in world.manifests)}
            ),
            services_known=world.services_known,
        )

    def version(self, ref: SecretKey) -> str:
        """Return the version of a value that is there."""
        return self.secrets[(ref.namespace, ref.name)].keys[ref.key]

    def certificate(self, ref: SecretKey) -> CertificateFacts | str | None:
        """Return what the certificate in a Secret that is there says, or why it is none."""
        return self.secrets[(ref.namespace, ref.name)].certificate

    def secret(self, ref: SecretKeyRef, namespace: str, path: str) -> SecretKey | Problem:
        """Return what `ref` names, or why it names nothing."""
        found = self.secrets.get((namespace, ref.name))
        if found is None:
            said = f"there is no Secret {ref.name} in namespace {namespace}; create it"
            return _unresolved(Reason.SECRET_NOT_FOUND, said, path)
        if ref.key not in found.keys:
            said = f"the Secret {ref.name} has no key {ref.key}; add it"
            return _unresolved(Reason.SECRET_KEY_NOT_FOUND, said, path)
        return SecretKey(namespace, ref.name, ref.key)

    def service(
        self, namespace: str, name: str, port: int, *, asking: str, path: str
    ) -> Problem | None:
        """Return why routes of namespace `asking` can't name this Service, or None."""
        if namespace != asking and not self._is_granted(asking, namespace, name):
            said = (
                f"the Service {name} is in namespace {namespace}, which has no ReferenceGrant "
                f"for MCPRoutes of {asking}; have it create one"
            )
            return _unresolved(Reason.REF_NOT_PERMITTED, said, path)
        found = self.services.get((namespace, name))
        if found is None:
            said = f"there is no Service {name} in namespace {namespace}; create it"
            return (
                _unresolved(Reason.BACKEND_NOT_FOUND, said, path) if self.services_known else None
            )
        if found.type == "ExternalName":
            # It could lead into any namespace, past that namespace's ReferenceGrant.
            said = f"the Service {name} is an ExternalName; name its target in spec.to instead"
            return _unresolved(Reason.UPSTREAM_NOT_ALLOWED, said, path)
        if found.ports and port not in found.ports:
            ports = ", ".join(map(str, found.ports))
            said = f"the Service {name} has no port {port}; it has {ports}"
            return _unresolved(Reason.BACKEND_NOT_FOUND, said, path)
        return None

    def _is_granted(self, asking: str, namespace: str, name: str) -> bool:
        return not self.grants.isdisjoint({(asking, namespace, name), (asking, namespace, "")})


def _granted(world: World) -> Iterable[tuple[str, str, str]]:
    """Yield (asking namespace, granting namespace, Service name or empty for all)."""
    for grant in world.grants:
        for source in grant.spec.from_:
            if source.group != GROUP or source.kind != "MCPRoute":
                continue
            for to in grant.spec.to:
                if to.group == "" and to.kind == "Service":
                    yield (source.namespace, grant.metadata.namespace, to.name or "")


def _unresolved(reason: Reason, message: str, path: str) -> Problem:
    return Problem(condition=Condition.RESOLVED_REFS, reason=reason, message=message, path=path)


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False
