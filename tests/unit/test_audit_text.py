"""The fast way of writing facts and the slow, plain one say the same."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary_proxy.audit.line import Detached, compose, parse
from ostiary_proxy.audit.text import ascii_json, tidy, tidy_json

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "plain",
        "x" * 513,
        "a=b",
        "\\",
        '"',
        "ghp_" + "a" * 20,
        "https://u:p@x",
        "\x7f",
        "é",
        "\u202e",
    ]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_tidying_fast_and_slow_agree(facts: dict[str, object]) -> None:
    assert tidy_json(facts) == ascii_json(tidy(facts))


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_json_text_is_printable_ascii_and_means_the_value(value: object) -> None:
    text = ascii_json(value)

    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXT, JSON, max_size=3), JSON, st.binary(min_size=32, max_size=32))
def test_a_line_reads_back_as_it_was_composed(
    facts: dict[str, object], value: object, salt: bytes
) -> None:
    members = ("at", "boot", "commitments", "equal", "gateway", "id", "kind", "previous")
    body = ascii_json({**dict.fromkeys(members, ""), "sequence": 1, "facts": tidy(facts)})
    detached = {"arguments": Detached(salt=salt, text=ascii_json(value))}

    raw, digest = compose(body, detached)
    line = parse(raw)

    assert (line.hash, line.own_hash, line.body_text) == (digest, digest, body)
    assert (line.detached, line.value("arguments")) == (detached, value)
