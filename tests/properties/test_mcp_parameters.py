"""Whatever the arguments are, the headers made of them pass for them, and for no others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, Number, read_json
from ostiary_proxy.mcp.parameters import check_parameters, mirrored, parameters_of
from ostiary_proxy.refused import Refused

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False).map(lambda n: Number(repr(n)))
)
VALUES = st.one_of(
    st.none(), st.booleans(), TEXTS, NUMBERS, st.sampled_from(["=?base64?YQ==?=", " a", "\t", ""])
)


def parameters(kind: str) -> Any:
    return parameters_of({"properties": {"a": {"type": kind, "x-mcp-header": "A"}}})


def sent(value: Json) -> dict[str, Json]:
    """Return arguments as they come in: read from JSON."""
    read = read_json(write_json({"a": value}))
    assert isinstance(read, dict)
    return read


@given(value=VALUES, kind=st.sampled_from(["string", "integer", "boolean"]))
def test_headers_made_of_arguments_pass_for_them(value: Json, kind: str) -> None:
    marked, arguments = parameters(kind), sent(value)

    check_parameters(marked, arguments, dict(mirrored(marked, arguments)))


@given(one=VALUES, other=VALUES, kind=st.sampled_from(["string", "boolean"]))
def test_headers_made_of_other_arguments_do_not(one: Json, other: Json, kind: str) -> None:
    marked = parameters(kind)
    headers = dict(mirrored(marked, sent(other)))
    if dict(mirrored(marked, sent(one))) == headers:
        return

    with pytest.raises(Refused, match="HeaderMismatch"):
        check_parameters(marked, sent(one), headers)


@given(number=st.integers(), off=st.sampled_from([0, 1, -1]))
def test_whole_numbers_pass_for_each_other_exactly_if_they_are_equal(number: int, off: int) -> None:
    marked, written = parameters("integer"), {"mcp-param-a": f"{number + off}.00"}

    if off:
        with pytest.raises(Refused, match="HeaderMismatch"):
            check_parameters(marked, {"a": number}, written)
    else:
        check_parameters(marked, {"a": number}, written)
