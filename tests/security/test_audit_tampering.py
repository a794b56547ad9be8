"""Whoever can write to the log tries to change what it says (security decisions 17, 18)."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from audit_parts import Place, counting_entropy, decision, outcome
from ostiary.config.keys import KeyDocument
from ostiary_proxy.audit.line import compose, parse
from ostiary_proxy.audit.verify import Finding, verify


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A log of ten records: the start, four calls and the end."""
    made = Place(tmp_path)
    async with made.open() as log:
        for name in "abcd":
            personal = {"email": f"{name}@example.com"}
            await log.write(decision(name, personal=personal, arguments={"path": name}))
            await log.write(outcome(name))
    return made


def found(place: Place, lines: list[bytes]) -> list[tuple[str, int | None, int | None]]:
    report = place.verify(segments=[("audit-1.jsonl", b"".join(lines))])
    assert report.exit_code == (1 if report.findings else 0)
    return [(finding.code, finding.line, finding.sequence) for finding in report.findings]


def test_an_untouched_log_verifies(place: Place) -> None:
    report = place.verify()

    assert (report.records, report.first, report.findings) == (10, 1, ())
    assert (report.anchored, report.after, report.exit_code) == (10, 0, 0)


def test_every_single_changed_byte_is_found_with_its_line(place: Place) -> None:
    lines = place.raw_lines()
    whole = lines[3]
    for at in range(len(whole) - 1):
        changed = bytearray(whole)
        changed[at] = ord("1") if whole[at] != ord("1") else ord("2")

        findings = found(place, [*lines[:3], bytes(changed), *lines[4:]])

        assert any(line == 4 for _, line, _ in findings), (at, findings)


def test_the_exact_record_is_named(place: Place) -> None:
    lines = place.raw_lines()
    lines[5] = lines[5].replace(b'"name":"search"', b'"name":"delete"')

    report = place.verify(segments=[("audit-0000000000000001.jsonl", b"".join(lines))])

    assert report.findings == (
        Finding(
            code="changed",
            message="the record is not the one that was hashed",
            file="audit-0000000000000001.jsonl",
            line=6,
            sequence=6,
        ),
    )
    assert str(report.findings[0]) == (
        "audit-0000000000000001.jsonl:6: record 6: changed: "
        "the record is not the one that was hashed"
    )


def test_a_deleted_record_is_found(place: Place) -> None:
    lines = place.raw_lines()

    assert found(place, lines[:4] + lines[5:]) == [("missing", 5, 6)]


def test_deleted_first_records_are_found(place: Place) -> None:
    assert found(place, place.raw_lines()[2:]) == [("missing", 1, 3), ("anchor", None, 1)]


def test_an_inserted_record_is_found(place: Place) -> None:
    lines = place.raw_lines()

    assert found(place, [*lines[:5], lines[2], *lines[5:]])[0] == ("order", 6, 3)


def test_reordered_records_are_found(place: Place) -> None:
    lines = place.raw_lines()
    lines[4], lines[5] = lines[5], lines[4]

    assert found(place, lines)[0] == ("missing", 5, 6)


def test_a_line_that_no_gateway_wrote_is_found(place: Place) -> None:
    lines = place.raw_lines()

    assert ("malformed", 3, None) in found(place, [*lines[:2], b"# a note\n", *lines[2:]])


@pytest.mark.parametrize("cut", [1, 5, 400])
def test_a_truncated_tail_is_found_by_its_checkpoint(place: Place, cut: int) -> None:
    whole = b"".join(place.raw_lines())

    codes = {code for code, _, _ in found(place, [whole[:-cut]])}

    assert "truncated" in codes


def test_records_cut_off_cleanly_are_found_by_the_checkpoint_alone(place: Place) -> None:
    assert found(place, place.raw_lines()[:-2]) == [("truncated", None, 10)]


def rewritten(lines: list[bytes], at: int) -> list[bytes]:
    """Return the chain with one record changed and everything after it hashed anew."""
    kept, previous = lines[:at], parse(lines[at - 1]).hash
    for raw in lines[at:]:
        line = parse(raw)
        body = line.body_text.replace(line.body["previous"], previous)
        raw_again, previous = compose(body.replace('"search"', '"delete"'), line.detached)
        kept.append(raw_again)
    return kept


def test_a_chain_that_was_hashed_anew_is_found_by_its_checkpoint(place: Place) -> None:
    assert found(place, rewritten(place.raw_lines(), 3)) == [("anchor", None, 10)]


def test_without_any_anchor_the_verifier_says_so_and_exits_3(place: Place) -> None:
    segments = [("a", b"".join(rewritten(place.raw_lines(), 3)))]

    report = verify(segments)

    assert (report.findings, report.anchored, report.after) == ((), None, 10)
    assert report.exit_code == 3


def test_a_head_noted_outside_is_an_anchor(place: Place) -> None:
    head = place.lines()[6].hash

    intact = place.verify(checkpoints=(), heads=(head,))
    forged = place.verify(
        checkpoints=(), heads=(head,), segments=[("a", b"".join(rewritten(place.raw_lines(), 3)))]
    )

    assert (intact.anchored, intact.after, intact.exit_code) == (7, 3, 0)
    assert [finding.code for finding in forged.findings] == ["head"]
    assert forged.exit_code == 1


def test_checkpoints_by_a_strangers_key_anchor_nothing(place: Place) -> None:
    stranger = KeyDocument.generate(os.urandom).rings().audit[0].public_key()

    report = place.verify(keys=[stranger])

    assert {finding.code for finding in report.findings} == {"checkpoint"}
    assert (report.anchored, report.exit_code) == (None, 1)


def test_a_checkpoint_is_not_moved_to_another_record(place: Place) -> None:
    path = next(place.checkpoints.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"sequence":10', b'"sequence":9'))

    assert {finding.message for finding in place.verify().findings} == {
        "the checkpoint's signature is wrong"
    }


async def test_older_keys_still_vouch_after_a_rotation(tmp_path: Path) -> None:
    older = KeyDocument.generate(os.urandom)
    newer = KeyDocument.generate(os.urandom)
    both = KeyDocument(
        access=newer.access,
        internal=newer.internal,
        audit=(*newer.audit, *older.audit),
        seal=newer.seal,
    )
    async with Place(tmp_path, rings=older.rings()).open():
        pass
    later = Place(tmp_path, rings=both.rings(), entropy=os.urandom)
    async with later.open():
        pass

    assert later.verify().exit_code == 0


def test_erased_values_leave_the_chain_whole_and_are_counted(place: Place) -> None:
    lines = [
        compose(parse(raw).body_text, {})[0] if number in (2, 4) else raw
        for number, raw in enumerate(place.raw_lines(), start=1)
    ]

    report = place.verify(segments=[("a", b"".join(lines))])

    assert (report.findings, report.erased, report.exit_code) == ((), 4, 0)
    assert b"a@example.com" not in b"".join(lines)


def test_one_erased_value_leaves_the_other(place: Place) -> None:
    lines = place.raw_lines()
    line = parse(lines[1])
    lines[1] = compose(line.body_text, {"personal": line.detached["personal"]})[0]

    report = place.verify(segments=[("a", b"".join(lines))])

    assert (report.findings, report.erased) == ((), 1)


def test_a_detached_value_is_not_exchanged(place: Place) -> None:
    lines = place.raw_lines()
    mine, other = parse(lines[1]), parse(lines[3])
    lines[1] = compose(mine.body_text, {**mine.detached, "personal": other.detached["personal"]})[0]

    assert found(place, lines) == [("detached", 2, 2)]


def test_a_value_is_not_slipped_under_a_record_that_had_none(place: Place) -> None:
    lines = place.raw_lines()
    lines[2] = compose(parse(lines[2]).body_text, parse(lines[1]).detached)[0]

    assert {code for code, _, _ in found(place, lines)} == {"detached"}


async def test_a_tail_cut_off_before_a_restart_stays_visible(place: Place) -> None:
    path = place.audit / place.segments()[0][0]
    path.write_bytes(b"".join(place.raw_lines()[:-3]))
    async with place.open() as log:
        await log.write(outcome("e"))

    report = place.verify()

    assert [(finding.code, finding.sequence) for finding in report.findings] == [
        ("missing", 11),
        ("anchor", 10),
    ]
    started = next(f for f in place.facts() if f.get("event") == "started" and "lost" in f)
    assert started["lost"] == {"from": 8, "to": 10, "anchor": started["lost"]["anchor"]}


async def test_a_log_deleted_before_a_restart_stays_visible(place: Place) -> None:
    for path in place.audit.glob("*.jsonl"):
        path.unlink()
    async with place.open():
        pass

    findings = [(finding.code, finding.sequence) for finding in place.verify().findings]
    assert findings == [("missing", 11), ("anchor", 1), ("anchor", 10)]


@pytest.mark.parametrize(
    "torn", [b'{"hash":"', b"\0" * 5000, b"x\ny\nz", b'{"hash":"00","body":{}}\n']
)
async def test_a_torn_end_is_set_aside_recorded_and_the_chain_goes_on(
    place: Place, torn: bytes
) -> None:
    path = place.audit / place.segments()[0][0]
    with path.open("ab") as file:
        file.write(torn)
    async with place.open():
        pass

    started = [facts for facts in place.facts() if facts.get("event") == "started"][-1]
    aside = place.audit / started["torn"][0]["file"]
    assert started["torn"] == [
        {
            "file": aside.name,
            "bytes": len(torn),
            "sha256": hashlib.sha256(torn).hexdigest(),
        }
    ]
    assert aside.read_bytes() == torn
    assert place.verify().exit_code == 0


def test_a_salt_stands_between_a_commitment_and_a_dictionary(place: Place) -> None:
    """Who has the log without its detached values can't try out guesses, tokens included."""
    line = place.lines()[1]
    guess = json.dumps({"email": "a@example.com"}, separators=(",", ":"))

    hashes = {
        hashlib.sha256(text.encode()).hexdigest()
        for text in (guess, "a@example.com", '{"path":"a"}')
    }

    assert not any(digest[:32] in line.body_text for digest in hashes)


async def test_in_digest_mode_equal_arguments_look_equal_and_guesses_do_not_help(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    async with place.open(arguments="Digest") as log:
        for name, path in (("a", "/etc"), ("b", "/etc"), ("c", "/usr")):
            await log.write(decision(name, arguments={"path": path}))
            await log.write(outcome(name))

    first, same, other = (line.value("arguments") for line in place.lines()[1:-1:2])
    assert first == same != other
    assert first["bytes"] == len('{"path":"/etc"}')
    plain = hashlib.sha256(b'{"path":"/etc"}').hexdigest()
    assert re.fullmatch(r"2027-01:[0-9a-f]{64}", first["digest"])
    assert plain not in first["digest"]
    assert b"/etc" not in b"".join(place.raw_lines())


def test_two_gateways_with_other_keys_have_other_tokens() -> None:
    one, two = (KeyDocument.generate(e).rings().seal for e in (counting_entropy(), os.urandom))

    assert one.keyed_hash("l", "m@x.org") != two.keyed_hash("l", "m@x.org")
