"""The base of every configuration model, and validation that reports all faults by path."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import pydantic
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from ostiary.decode.fault import Fault, Faulty

__all__ = ["Duration", "Model", "faults_of", "validate"]

_SHOULD = re.compile(r"^(?:Input|String|Tuple|Dictionary|Value) should ")
_DURATION = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$")


class Model(pydantic.BaseModel):
    """A frozen model with camelCase names outside, snake_case inside; unknown fields are faults."""

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=False,
        hide_input_in_errors=True,
        regex_engine="rust-regex",
    )

    def plain(self) -> dict[str, Any]:
        """Return the JSON form with outside names, without fields that are unset or None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Duration(str):
    """A duration in Go form (`10m`, `720h`, `1h30m`, `250ms`); `.seconds` is its length."""

    __slots__ = ("seconds",)
    seconds: float
    PATTERN: ClassVar[str] = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"

    def __new__(cls, text: str) -> Self:
        """Parse `text`.

        Raises ValueError where it is no duration in Go form or longer than ten years.
        """
        found = _DURATION.fullmatch(text)
        if not text or found is None:
            raise ValueError(f"{text[:40]!r} is not a duration; write it like 30s, 10m or 1h30m")
        hours, minutes, seconds, millis = (int(part or 0) for part in found.groups())
        value = super().__new__(cls, text)
        value.seconds = hours * 3600 + minutes * 60 + seconds + millis / 1000
        if value.seconds > 10 * 365 * 86400:
            raise ValueError(f"{text[:40]!r} is longer than ten years")
        return value

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: type, _handler: object
    ) -> core_schema.CoreSchema:
        """Validate from a string, write back the same string."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(max_length=32, strict=True),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, Any]:
        """Return the schema that CRDs carry."""
        return {"type": "string", "pattern": cls.PATTERN, "minLength": 2, "maxLength": 32}


M = TypeVar("M", bound=pydantic.BaseModel)


def validate(model: type[M], value: object) -> M:
    """Return `value` as `model`.

    Raises Faulty with every fault; paths use the outside (camelCase) names.
    """
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise Faulty(faults_of(error)) from None


def faults_of(error: pydantic.ValidationError) -> list[Fault]:
    """Return everything that pydantic found wrong, with outside names in the paths."""
    items = error.errors(include_url=False)
    faults = [
        (item["type"], Fault(path=_path(item["loc"]), message=_message(item))) for item in items
    ]
    # A list whose items are faulty counts as short of items: said once, at the item.
    return [
        fault
        for kind, fault in faults
        if kind != "too_short"
        or not any(other.path.startswith(f"{fault.path}[") for _, other in faults)
    ]


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _message(item: Mapping[str, Any]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return "unknown field; remove it or check its spelling"
    if kind == "missing":
        return "required field is missing"
    said = _SHOULD.sub("must ", str(item["msg"]).removeprefix("Value error, "))
    return f"{said}; quote it" if kind == "string_type" else said
