"""What an MCPGateway says of the fleet itself: its proxies and their keys."""

from pydantic import Field

from ostiary.decode.model import Model
from ostiary.resources.meta import SecretKeyRef

__all__ = ["Keys", "Proxy"]


class Proxy(Model):
    """The proxy's Deployment."""

    replicas: int = Field(default=1, ge=1, le=100, description="How many proxies run.")


class Keys(Model):
    """Signing and sealing keys that are kept outside."""

    secret_ref: SecretKeyRef = Field(
        description="The key document, so that a gateway created anew keeps its grants."
    )
