"""Lines that a platform collected from several pods: whatever was done to them is found."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_parts import RINGS, Place, counting_entropy, crash, decision, outcome
from ostiary.config.keys import KeyDocument
from ostiary.decode.json_text import write_json
from ostiary_cli.main import main
from ostiary_proxy.audit.collected import Collected, verify_collected
from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.audit.sink import Stdout

KEYS = [key.public_key() for key in RINGS.audit]
NOISE = [b"", b"listening", b'{"event": "serving", "level": "info"}']


async def write(place: Place, out: Callable[[bytes], None], names: str) -> None:
    """Let a process record a call for each name, from start to end."""
    async with place.open(sinks=(out,)) as log:
        for name in names:
            await log.write(decision(name))
            await log.write(outcome(name))
            await log.checkpoint()


@pytest.fixture
async def collected(tmp_path: Path) -> list[bytes]:
    """Return the lines of two pods, one of which was restarted, mixed, with others' between."""
    shared = counting_entropy()
    one, two = (Place(tmp_path / name, entropy=shared) for name in "ab")
    pods: list[list[bytes]] = [[], []]
    await write(one, pods[0].append, "abc")
    await write(one, pods[0].append, "de")
    await write(two, pods[1].append, "fgh")
    chance = random.Random(3)
    mixed: list[bytes] = []
    while any(pods):
        pod = chance.choice([pod for pod in pods if pod])
        mixed += [chance.choice(NOISE), pod.pop(0).removesuffix(b"\n")]
    return mixed


def judged(lines: list[bytes], **given: object) -> Collected:
    return verify_collected([("pods.log", b"\n".join(lines) + b"\n")], keys=KEYS, **given)  # type: ignore[arg-type]


def codes(found: Collected) -> set[str]:
    reports = found.reports.values()
    return {f.code for f in found.findings} | {f.code for r in reports for f in r.findings}


def at(lines: list[bytes], words: bytes, nth: int = 0) -> int:
    return [number for number, line in enumerate(lines) if words in line][nth]


def test_each_pod_is_a_chain_that_its_restart_continues(collected: list[bytes]) -> None:
    found = judged(collected)

    assert (found.exit_code, found.findings) == (0, ())
    records = sorted(report.records for report in found.reports.values())
    assert records == [8, 8 + 6]
    assert {report.after for report in found.reports.values()} == {0}


def test_lines_may_come_twice_in_another_order_and_behind_a_prefix(collected: list[bytes]) -> None:
    lines = [b"[pod/gw-1/proxy] 2026-11-28T05:00:00Z stdout F " + line for line in collected * 2]
    random.Random(5).shuffle(lines)

    assert judged(lines).exit_code == 0


@pytest.mark.parametrize("nth", range(6))
def test_a_record_that_was_taken_out_is_missed(collected: list[bytes], nth: int) -> None:
    del collected[at(collected, b'"kind":"outcome"', nth)]

    assert judged(collected).exit_code == 1
    assert codes(judged(collected)) >= {"missing"}


def test_a_record_that_was_changed_is_found(collected: list[bytes]) -> None:
    number = at(collected, b'"kind":"decision"')
    collected[number] = collected[number].replace(b'"search"', b'"delete"')

    assert "changed" in codes(judged(collected))


def test_a_record_that_was_made_unreadable_is_found(collected: list[bytes]) -> None:
    number = at(collected, b'"kind":"decision"')
    collected[number] = collected[number][:-3]

    assert codes(judged(collected)) >= {"malformed", "missing"}


def test_a_record_disguised_as_somebody_elses_line_is_missed(collected: list[bytes]) -> None:
    number = at(collected, b'"kind":"decision"')
    collected[number] = collected[number].replace(b'{"hash":"', b'{ "hash":"')

    assert "missing" in codes(judged(collected))


def test_a_cut_tail_is_found_by_the_checkpoints_that_stay(collected: list[bytes]) -> None:
    last = max(number for number, line in enumerate(collected) if b'"kind":' in line)
    del collected[last]

    assert "truncated" in codes(judged(collected))


def test_a_pod_whose_records_are_gone_is_found_by_its_checkpoints(collected: list[bytes]) -> None:
    boot = collected[at(collected, b'"event":"started"', 2)].split(b'"boot":"')[1][:16]
    kept = [line for line in collected if boot not in line or b'"checkpoint"' in line]

    assert codes(judged(kept)) == {"truncated"}


def test_a_forged_checkpoint_is_found(collected: list[bytes]) -> None:
    number = at(collected, b'{"checkpoint":')
    collected[number] = collected[number].replace(b'"sequence":', b'"sequence":1')

    assert "checkpoint" in codes(judged(collected))


async def test_a_made_up_chain_is_vouched_for_by_nothing(
    collected: list[bytes], tmp_path: Path
) -> None:
    made: list[bytes] = []
    await write(Place(tmp_path / "made", entropy=lambda size: b"f" * size), made.append, "x")
    unsigned = [line.removesuffix(b"\n") for line in made if b'"checkpoint"' not in line]

    found = judged(collected + unsigned)

    assert (codes(found), found.exit_code) == (set(), 3)


def test_without_keys_nothing_is_vouched_for(collected: list[bytes]) -> None:
    assert verify_collected([("f", b"\n".join(collected))]).exit_code == 3
    assert verify_collected([("f", b"nothing of ours\n")], keys=KEYS).exit_code == 3


def test_a_head_noted_outside_vouches_for_its_chain_alone(collected: list[bytes]) -> None:
    noted = collected[at(collected, b'"event":"stopped"')][9:73].decode()
    data = [("f", b"\n".join(collected))]

    found = verify_collected(data, heads=[noted])

    assert [report.anchors for report in found.reports.values()].count(1) == 1
    assert codes(verify_collected(data, heads=["0" * 64])) == {"head"}


async def test_a_sink_that_takes_nothing_stops_the_request_and_the_chain_goes_on(
    tmp_path: Path,
) -> None:
    lines: list[bytes] = []
    broken = False

    def out(line: bytes) -> None:
        if broken:
            raise OSError(5, "gone")
        lines.append(line)

    place = Place(tmp_path)
    async with place.open(sinks=(out,)) as log:
        await log.write(decision("a"))
        broken = True
        with pytest.raises(AuditUnavailable):
            await log.write(decision("b"))
        broken = False
        await log.write(outcome("a"))

    assert place.verify().findings == ()
    assert (judged(lines).exit_code, codes(judged(lines))) == (0, set())


async def test_what_a_killed_process_had_not_told_its_successor_tells(tmp_path: Path) -> None:
    lines: list[bytes] = []
    place = Place(tmp_path)
    log = await place.start(sinks=(lines.append,))
    await log.write(decision("a"))
    lines.pop()  # killed between the file and the sink
    crash(log)

    async with place.open(sinks=(lines.append,)):
        pass

    assert (judged(lines).exit_code, codes(judged(lines))) == (0, set())


def test_a_line_that_broke_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    out = Stdout(writer)
    out(b"one\n")
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        out(b"x" * 1_000_000 + b"\n")
    os.read(reader, 1_000_000)
    out(b"two\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as rest:
        assert rest.read() == b"\ntwo\n"


def test_the_command_verifies_what_is_piped_into_it(collected: list[bytes], tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(write_json(KeyDocument.generate(counting_entropy()).reveal()))

    def run(data: bytes, *more: str) -> tuple[int, str]:
        asked = ["audit", "verify", "--collected", "-", "--keys", str(keys), *more]
        result = CliRunner().invoke(main, asked, input=data)
        return result.exit_code, result.output

    whole, cut = b"\n".join(collected), b"\n".join(collected[2:])
    assert (run(whole)[0], run(whole)[1].splitlines()[-1]) == (0, "2 chains: intact")
    assert (run(cut)[0], run(cut, "-o", "json")[0]) == (1, 1)
