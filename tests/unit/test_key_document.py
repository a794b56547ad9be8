"""Keys are replaced step by step, each when it is due, and never too early."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.config.keys import RINGS, KeyDocument, Ring
from ostiary.config.rotation import (
    KNOWN_AFTER,
    Stage,
    advance,
    begin,
    drop_older,
    replace_key,
    stages,
)
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_cli.keys import command

START = 1000.0
KEPT = {"access": 4200.0, "internal": 660.0, "audit": 86400.0}
OLD = KeyDocument.generate(os.urandom)


def begun(ring: Ring, document: KeyDocument = OLD) -> KeyDocument:
    return begin(document, ring, now=START, entropy=os.urandom)


def keys(document: KeyDocument, ring: Ring) -> tuple[object, ...]:
    found: tuple[object, ...] = getattr(document, ring)
    return found


@pytest.mark.parametrize("ring", RINGS)
def test_a_new_key_is_known_before_it_signs_and_the_old_one_stays_until_nothing_needs_it(
    ring: Ring,
) -> None:
    published = begun(ring)
    upcoming = published.rotating[ring].upcoming
    known = START + KNOWN_AFTER

    assert (keys(published, ring), stages(published)) == (
        keys(OLD, ring), (Stage(ring=ring, stage="Published", since=START),),
    )  # fmt: skip
    assert advance(published, now=known - 1) == published
    signing = advance(published, now=known)
    assert (keys(signing, ring), stages(signing)) == (
        (upcoming, *keys(OLD, ring)), (Stage(ring=ring, stage="Signing", since=known),),
    )  # fmt: skip
    if ring == "seal":
        assert advance(signing, now=known + 1e9) == signing
        signing = drop_older(signing, ring)
    else:
        assert advance(signing, now=known + KEPT[ring] - 1) == signing
        signing = advance(signing, now=known + KEPT[ring])
    assert (keys(signing, ring), stages(signing)) == ((upcoming,), ())


@pytest.mark.parametrize("ring", RINGS)
def test_a_rotation_that_runs_is_not_begun_anew_and_its_new_key_is_not_dropped(ring: Ring) -> None:
    published = begun(ring)

    assert begun(ring, published) is published
    assert drop_older(published, ring) is published


def test_a_seal_key_that_stays_hinders_no_further_rotation() -> None:
    signing = advance(begun("seal"), now=START + KNOWN_AFTER)
    again = advance(begun("seal", signing), now=START + KNOWN_AFTER)

    assert len(again.seal) == 3
    assert again.seal[1:] == signing.seal


def test_rings_are_rotated_each_for_itself() -> None:
    both = advance(begun("internal", begun("access")), now=START + KNOWN_AFTER)
    later = advance(both, now=START + KNOWN_AFTER + KEPT["internal"])

    assert [stands.ring for stands in stages(both)] == ["access", "internal"]
    assert [stands.ring for stands in stages(later)] == ["access"]
    assert (later.seal, later.audit) == (OLD.seal, OLD.audit)


def test_a_key_that_leaked_goes_at_once_whatever_was_under_way() -> None:
    replaced = replace_key(begun("access"), "access", entropy=os.urandom)

    assert (len(replaced.access), replaced.access == OLD.access, stages(replaced)) == (1, False, ())


def test_what_is_written_is_read_again_and_tells_every_step_from_every_other() -> None:
    steps = [OLD]
    for ring in RINGS:
        steps.append(begun(ring, steps[-1]))
    steps.append(advance(steps[-1], now=START + KNOWN_AFTER))
    read = [validate(KeyDocument, read_json(write_json(step.reveal()))) for step in steps]

    assert read == steps
    assert len({step.rings().fingerprint for step in steps}) == len(steps)


def test_the_command_takes_each_step_in_the_file_and_says_what_comes_next(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(write_json(OLD.reveal()))

    def run(*arguments: str) -> list[str]:
        result = CliRunner().invoke(command, [*arguments, str(file)])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    settled = ["access    1 key: settled", "internal  1 key: settled", "audit     1 key: settled",
               "seal      1 key: settled"]  # fmt: skip
    assert run("show") == settled
    assert run("rotate", "access")[0].startswith("access    2 keys: a new key is known since ")
    assert run("advance")[1:] == settled[1:]
    assert run("replace", "access") == settled
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(key.reveal() in file.read_text() for key in OLD.access)


def test_a_file_that_is_no_key_document_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"access": ["hidden"]}')

    result = CliRunner().invoke(command, ["rotate", "access", str(file)])

    assert result.exit_code == 1
    assert "is no key document" in result.output
    assert "hidden" not in result.output
    assert file.read_text() == '{"access": ["hidden"]}'
