"""What all kinds share: metadata, references, bounded strings, CEL rules beside their fields."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import pydantic
from pydantic import AfterValidator, Field

from ostiary.decode.model import Model
from ostiary.resources.address import check_cidr, check_provider_url

__all__ = [
    "ENCRYPTED", "GROUP", "LOOPBACK_URL", "VERSION", "Cidr", "DnsLabel", "ObjectMeta", "ObjectName",
    "ProviderUrl", "SecretKeyRef", "SecretRef", "ShownName", "exactly_one", "rules",
]  # fmt: skip

GROUP: Final = "ostiary.dev"
VERSION: Final = "v1alpha1"


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the CEL rules (expression, message) that a CRD carries at this place."""
    return {
        "x-kubernetes-validations": [
            {"rule": expression, "message": message} for expression, message in pairs
        ]
    }


LOOPBACK_URL: Final = r"^http://(127\\.[0-9]+\\.[0-9]+\\.[0-9]+|localhost|\\[::1\\])(:[0-9]+)?"
"""The beginning of a URL on loopback, as CEL strings hold it."""
ENCRYPTED: Final = (
    f"self.startsWith('https://') || self.matches('{LOOPBACK_URL}(/|$)')",
    "write https; plain http is for loopback only",
)
DnsLabel = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
Cidr = Annotated[
    str,
    Field(min_length=3, max_length=43, json_schema_extra={"format": "cidr"}),
    AfterValidator(check_cidr),
]
ProviderUrl = Annotated[
    str,
    Field(min_length=8, max_length=1024, json_schema_extra=rules(ENCRYPTED)),
    AfterValidator(check_provider_url),
]


def _check_shown(text: str) -> str:
    if any(unicodedata.category(character).startswith("C") for character in text):
        raise ValueError("control, format and direction characters can't stand in a name")
    return text


ShownName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        json_schema_extra=rules(
            (r"self.matches('^\\P{C}+$')", "control and direction characters can't stand in a name")
        ),
    ),
    AfterValidator(_check_shown),
]


class ObjectMeta(pydantic.BaseModel):
    """The part of an object's metadata that we read; the rest is passed over."""

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=Model.model_config["alias_generator"],
        populate_by_name=True,
    )

    name: DnsLabel
    namespace: DnsLabel = "default"
    uid: Annotated[str, Field(max_length=128)] = ""
    generation: int = 1
    resource_version: Annotated[str, Field(max_length=128)] = ""
    creation_timestamp: Annotated[str, Field(max_length=40)] = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SecretKeyRef(Model):
    """One key of a Secret in the object's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in this object's namespace.")
    key: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Key within the Secret.",
    )


class SecretRef(Model):
    """A whole Secret in the object's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in this object's namespace.")


def exactly_one(model: Model, names: Sequence[str]) -> None:
    """Raise ValueError unless exactly one of the fields (outside names) is set."""
    outside = {info.alias or name: name for name, info in type(model).model_fields.items()}
    given = [name for name in names if getattr(model, outside[name]) is not None]
    if len(given) != 1:
        said = " and ".join(given) if given else "none"
        raise ValueError(f"exactly one of {', '.join(names)} is needed; {said} is given")
