"""The YAML reader: what it reads, and that it says everything that is wrong, with its place."""

import pytest

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.yaml_documents import MAX_SIZE, Document, Position, read_documents


def faults_of(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(Faulty) as caught:
        read_documents(data, "f.yaml")
    return [str(fault) for fault in caught.value.faults]


def value_of(text: str) -> object:
    (document,) = read_documents(text.encode(), "f.yaml")
    return document.value


def test_a_document_keeps_the_place_of_each_value():
    documents = read_documents(b"a: 1\nb:\n  - c: x\n", "f.yaml")

    assert documents == (
        Document(
            file="f.yaml",
            value={"a": 1, "b": [{"c": "x"}]},
            positions={
                "": Position(1, 1),
                "a": Position(1, 4),
                "b": Position(2, 1),
                "b[0]": Position(3, 5),
                "b[0].c": Position(3, 8),
            },
        ),
    )


def test_many_documents_are_read_and_empty_ones_left_out():
    documents = read_documents(b"---\na: 1\n---\n# nothing\n---\n- b\n...\n", "f.yaml")

    assert [document.value for document in documents] == [{"a": 1}, ["b"]]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n---\n", "\ufeff"])
def test_a_file_of_nothing_holds_no_document(text):
    assert read_documents(text.encode(), "f.yaml") == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30:45", "12:30:45"),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
        ("'yes'", "yes"),
        ('"012"', "012"),
        ("!!str 12", "12"),
        ("-0", 0),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("~", None),
        ("True", True),
        ("|\n  text\n", "text\n"),
    ],
)
def test_a_plain_scalar_is_what_every_reader_takes_it_for(text, value):
    assert value_of(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("word", ["yes", "No", "on", "OFF", "y", "N"])
def test_a_word_that_readers_disagree_on_is_a_fault(word):
    assert faults_of(f"a: {word}") == [
        (
            f"f.yaml:1:4: a: {word} is a boolean to some readers and a string to others; "
            "write true or false, or quote it"
        )
    ]


@pytest.mark.parametrize("number", ["012", "0o14", "0x1F", "0b1", "1_000", ".inf", "-.NaN", "08"])
def test_a_number_that_readers_disagree_on_is_a_fault_that_does_not_repeat_it(number):
    assert faults_of(f"password: {number}") == [
        (
            "f.yaml:1:11: password: this number is read differently by different readers; "
            "write a plain decimal number, or quote it"
        )
    ]


def test_all_faults_of_a_file_are_said_at_once():
    text = "a: 1\na: 2\n---\n1: x\n---\nb: !!python/name:os.system x\n? [k]\n: v\n<<: {c: d}\n"

    assert faults_of(text) == [
        "f.yaml:2:1: a: this key stands twice, first in line 1; remove one",
        "f.yaml:4:1: the key '1' is read as something other than a string; quote it",
        "f.yaml:6:4: b: the tag 'tag:yaml.org,2002:python/name:os.system' is not read; remove it",
        "f.yaml:7:3: a key must be a string, not a map, a list or an alias",
        "f.yaml:9:1: merge keys (<<) are not read; write the fields out",
    ]


def test_an_alias_stands_for_what_it_names():
    assert value_of("a: &x {k: [1]}\nb: *x\n") == {"a": {"k": [1]}, "b": {"k": [1]}}


def test_an_alias_that_is_unknown_or_holds_itself_is_a_fault():
    assert faults_of("a: &x {b: *x}\n") == ["f.yaml:1:11: a.b: the alias *x refers to itself"]
    assert (
        "undefined alias" in faults_of("a: *nobody\n")[0] or "not defined" in faults_of("a: *n")[0]
    )


def test_an_anchor_does_not_reach_into_the_next_document():
    with pytest.raises(Faulty):
        read_documents(b"a: &x 1\n---\nb: *x\n", "f.yaml")


def test_a_bomb_of_aliases_is_refused_by_what_it_stands_for():
    levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "stands for more than 400000 values" in faults_of("\n".join(levels))[-1]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening):
    assert "nested deeper than 64 levels" in faults_of(opening * 10_000)[-1]


def test_another_encoding_is_named():
    assert faults_of("a: 1".encode("utf-16")) == [
        "f.yaml:1:1: the file is UTF-16; save it as UTF-8"
    ]
    assert faults_of("a: 1".encode("utf-32")) == [
        "f.yaml:1:1: the file is UTF-32; save it as UTF-8"
    ]
    assert faults_of(b"a: 1\nb: \xff") == [
        "f.yaml:2:4: not UTF-8 from here on; save the file as UTF-8"
    ]


def test_a_byte_order_mark_of_utf_8_is_passed_over():
    assert value_of("\ufeffa: 1") == {"a": 1}


def test_a_control_character_is_a_fault_with_its_place():
    assert faults_of("a: b\nc: \x01") == [
        "f.yaml:2:4: a control character can't stand here; remove it"
    ]


def test_broken_syntax_is_a_fault_with_its_place():
    assert faults_of("a: b\nc: d: e\n") == [
        "f.yaml:2:5: not YAML: mapping values are not allowed in this context"
    ]


def test_a_file_that_is_too_large_is_refused_before_it_is_read():
    assert faults_of(b"#" * (MAX_SIZE + 1)) == [
        "f.yaml:1:1: the file is larger than 8 MiB; split it"
    ]


def test_no_more_than_a_hundred_faults_are_said():
    assert len(faults_of("\n".join(f"k{n}: yes" for n in range(500)))) == 100


def test_a_missing_field_gets_the_place_of_the_value_around_it():
    (document,) = read_documents(b"a:\n  b:\n    - c: 1\n", "f.yaml")
    faults = [Fault(path="a.b[0].gone.deep", message="m"), Fault(path="b.x", message="n")]

    assert [str(fault) for fault in document.locate(faults)] == [
        "f.yaml:3:7: a.b[0].gone.deep: m",
        "f.yaml:1:1: b.x: n",
    ]
