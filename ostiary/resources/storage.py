"""Where a gateway keeps its state: a file on a volume, or a server that all replicas share."""

from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.decode.model import Model
from ostiary.resources.meta import ObjectName, SecretKeyRef, rules

__all__ = ["Storage", "VolumeClaim"]


_CLASS: Final = ".storageClassName"
_KEPT: Final = f"has(self{_CLASS}) == has(oldSelf{_CLASS})"


class VolumeClaim(Model):
    """The volume that holds the store and the audit log."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"{_KEPT} && (!has(self{_CLASS}) || self{_CLASS} == oldSelf{_CLASS})",
                "the class of a volume can't be changed",
            )
        )
    )

    size: str = Field(
        default="1Gi",
        min_length=1,
        max_length=16,
        pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$",
        description="How large the volume is, such as 1Gi; it can only grow.",
        json_schema_extra=rules(
            ("quantity(self).compareTo(quantity(oldSelf)) >= 0", "a volume can only grow")
        ),
    )
    storage_class_name: ObjectName | None = Field(
        default=None, description="Class of the volume; absent: the cluster's default one."
    )


class Storage(Model):
    """Where grants, accounts and limits are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.urlSecretRef) == (self.type == 'Redis')",
                "set urlSecretRef if and only if type is Redis",
            ),
            ("!has(self.caBundleRef) || self.type == 'Redis'", "caBundleRef is for type Redis"),
            ("!has(self.volumeClaim) || self.type == 'SQLite'", "volumeClaim is for type SQLite"),
        )
    )

    type: Literal["SQLite", "Redis"] = Field(
        default="SQLite",
        description="SQLite: one file, one replica of the proxy. "
        "Redis: a Redis or Valkey server that all replicas share.",
    )
    volume_claim: VolumeClaim | None = Field(
        default=None, description="The volume of type SQLite; absent: 1Gi of the default class."
    )
    url_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="The server of type Redis: rediss://user:password@host:port/number, or redis:.",
    )
    ca_bundle_ref: SecretKeyRef | None = Field(
        default=None,
        description="PEM certificates that vouch for the server, beside the public ones.",
    )

    @model_validator(mode="after")
    def _iff(self) -> Self:
        redis = self.type == "Redis"
        if (self.url_secret_ref is not None) != redis:
            raise ValueError("set urlSecretRef if and only if type is Redis")
        if self.ca_bundle_ref is not None and not redis:
            raise ValueError("caBundleRef is for type Redis")
        if self.volume_claim is not None and redis:
            raise ValueError("volumeClaim is for type SQLite")
        return self
