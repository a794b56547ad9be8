"""Why an object can't be what it asks for: reasons are API, each documented here."""

from dataclasses import dataclass
from enum import StrEnum

from ostiary.decode.fault import Fault

__all__ = ["Condition", "Problem", "Reason", "of_faults"]


class Condition(StrEnum):
    """Types of conditions, in the order in which they become true."""

    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    POLICY_ATTACHED = "PolicyAttached"
    AVAILABLE = "Available"
    PROGRAMMED = "Programmed"
    UPSTREAM_REACHABLE = "UpstreamReachable"
    READY = "Ready"
    CONFLICTED = "Conflicted"
    KEYS_ROTATED = "KeysRotated"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Reasons of conditions; their texts in docs/reference follow these names."""

    #: The condition holds.
    ACCEPTED = "Accepted"
    RESOLVED = "ResolvedRefs"
    ATTACHED = "Attached"
    AVAILABLE = "Available"
    PROGRAMMED = "Programmed"
    REACHABLE = "Reachable"
    READY = "Ready"

    #: The spec can't be read; `lastError` names the field.
    INVALID = "Invalid"
    #: gatewayRef names no MCPGateway, or no gateway is the default one.
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    #: The gateway's own spec can't be read, so that nothing can be served there.
    GATEWAY_INVALID = "GatewayInvalid"
    #: No listener of the gateway grants the host of `from` to this namespace.
    HOST_NOT_ALLOWED = "HostNotAllowed"
    #: An older route has this URL.
    URL_CONFLICT = "URLConflict"
    #: The path belongs to the gateway itself.
    RESERVED_PATH = "ReservedPath"
    #: The development identity provider was asked for where none runs.
    DEVELOPMENT_ONLY = "DevelopmentOnly"
    #: An older gateway is the default one already.
    DEFAULT_CONFLICT = "DefaultConflict"
    #: The annotation ostiary.dev/rotate-keys names a ring that there is not.
    UNKNOWN_KEY_RING = "UnknownKeyRing"
    #: A policy's targets do not exist.
    TARGET_NOT_FOUND = "TargetNotFound"

    #: A Secret that is named does not exist (yet).
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason
    #: The Secret exists and lacks the key.
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"  # noqa: S105 - a reason
    #: The certificate in the Secret can't be read, is for other hosts, or has ended.
    CERTIFICATE_INVALID = "CertificateInvalid"
    #: The Service or its port does not exist.
    BACKEND_NOT_FOUND = "BackendNotFound"
    #: The Service is in another namespace that has not granted the reference.
    REF_NOT_PERMITTED = "RefNotPermitted"
    #: The address may not be named: loopback, or private and not in upstreams.allow.
    UPSTREAM_NOT_ALLOWED = "UpstreamNotAllowed"
    #: An older route of another namespace has this audience of internal tokens.
    AUDIENCE_CONFLICT = "AudienceConflict"

    #: No policy is attached: every call is refused.
    NO_POLICY = "NoPolicy"
    #: An attached Enforce policy can't be read or compiled: every call is refused.
    POLICY_INVALID = "PolicyInvalid"

    #: Nothing has reported yet.
    PENDING = "Pending"
    #: Some replica does not serve this generation yet.
    NOT_REPORTED = "NotReported"
    #: A replica can't serve it; the message is the replica's.
    PROXY_FAULT = "ProxyFault"
    #: There is nothing that a proxy could be given.
    NOT_RENDERED = "NotRendered"
    #: spec.suspend is true, or the gateway's annotation ostiary.dev/reconcile says disabled.
    SUSPENDED = "Suspended"

    #: Proxies are being started or replaced.
    ROLLING_OUT = "RollingOut"
    #: The cluster refuses proxies or can't start them; the message is the cluster's.
    ROLLOUT_BLOCKED = "RolloutBlocked"
    #: The last requests to the MCP server failed; the message says how.
    UPSTREAM_FAILED = "UpstreamFailed"
    #: The last requests to some of several servers failed; the message names them.
    PARTLY_REACHABLE = "PartlyReachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that stands against `condition`; `path` is the field, empty where there is none."""

    condition: Condition
    reason: Reason
    message: str
    path: str = ""


def of_faults(faults: tuple[Fault, ...]) -> tuple[Problem, ...]:
    """Return the faults of a spec as problems of its acceptance."""
    return tuple(
        Problem(
            condition=Condition.ACCEPTED,
            reason=Reason.INVALID,
            message=fault.message,
            path=fault.path,
        )
        for fault in faults
    )
