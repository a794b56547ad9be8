"""A value that never shows itself by accident (trust rule 5)."""

import hmac
from typing import Any

from pydantic_core import core_schema

__all__ = ["Secret"]


class Secret:
    """A secret string.

    `repr`, `str`, format and JSON are masked; `.reveal()` is the one, visible way to read it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time, with another Secret only."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Secret can't be pickled")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: type, _handler: object
    ) -> core_schema.CoreSchema:
        """Read from a string or a Secret; written back as `***`."""
        return core_schema.union_schema(
            [
                core_schema.is_instance_schema(cls),
                core_schema.no_info_after_validator_function(
                    cls, core_schema.str_schema(strict=True)
                ),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, Any]:
        """Return the schema of what it is read from."""
        return {"type": "string"}
