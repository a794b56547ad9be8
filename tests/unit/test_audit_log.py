"""The log in files: what is written, what survives, what is refused when it can't be."""

import asyncio
import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from audit_parts import NOW, Place, crash, decision, full_disk, outcome
from ostiary_proxy.audit.line import GENESIS
from ostiary_proxy.audit.record import AuditUnavailable, Kind, Record


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_record_is_one_line_of_a_chain(place: Place) -> None:
    async with place.open() as log:
        await log.write(
            decision("d1", personal={"email": "mara@example.com"}, arguments={"q": "x", "n": 1})
        )
        await log.write(outcome("d1"))

    started, first, second, stopped = place.lines()
    assert dict(first.body) == {
        "at": NOW,
        "boot": started.body["boot"],
        "commitments": {
            "arguments": first.detached["arguments"].commitment,
            "personal": first.detached["personal"].commitment,
        },
        "equal": {"email": first.body["equal"]["email"]},
        "facts": {"decision": "allow", "method": "tools/call", "name": "search"},
        "gateway": "default/dev",
        "id": "d1",
        "kind": "decision",
        "previous": started.hash,
        "sequence": 2,
    }
    assert first.value("personal") == {"email": "mara@example.com"}
    assert first.value("arguments") == {"q": "x", "n": 1}
    assert (started.body["previous"], second.body["previous"]) == (GENESIS, first.hash)
    assert second.detached == {}
    assert stopped.body["facts"] == {"event": "stopped"}
    assert hashlib.sha256(first.body_text.encode()).hexdigest() == first.hash


async def test_every_salt_is_fresh(place: Place) -> None:
    async with place.open() as log:
        for n in range(20):
            await log.write(decision(f"{n}", personal={"email": "m@x.org"}, arguments={"a": 1}))
            await log.write(outcome(f"{n}"))

    salts = [value.salt for line in place.lines() for value in line.detached.values()]
    assert len(salts) == 40 == len(set(salts))
    assert {len(salt) for salt in salts} == {32}


async def test_equal_people_have_equal_tokens_within_a_month(place: Place) -> None:
    async with place.open() as log:
        for email, at in (("m@x.org", NOW), ("m@x.org", NOW + 1), ("o@x.org", NOW)):
            record = Record(
                id="a", kind=Kind.LOGIN, at=at, facts={}, personal={"email": email, "name": None}
            )
            await log.write(record)
        later = Record(
            id="a", kind=Kind.LOGIN, at=NOW + 40 * 86_400, facts={}, personal={"email": "m@x.org"}
        )
        await log.write(later)

    same, again, other, next_month = (line.body["equal"] for line in place.lines()[1:-1])
    assert same == again
    assert len({same["email"], other["email"], next_month["email"]}) == 3
    assert same["email"].startswith("2027-01:")
    assert "name" not in same


async def test_the_chain_goes_on_after_a_restart_under_another_boot_id(place: Place) -> None:
    async with place.open() as log:
        await log.write(decision("a", facts={"decision": "deny"}))
    async with place.open() as log:
        await log.write(decision("b", facts={"decision": "deny"}))

    lines = place.lines()
    assert [line.body["sequence"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line.body["previous"] for line in lines[1:]] == [line.hash for line in lines[:-1]]
    assert len({line.body["boot"] for line in lines}) == 2
    assert place.verify().exit_code == 0


async def test_decisions_without_outcome_are_closed_as_unknown_at_the_next_start(
    place: Place,
) -> None:
    log = await place.start()
    for name in ("a", "b", "c"):
        await log.write(decision(name))
    await log.write(outcome("b"))
    await log.write(decision("d", facts={"decision": "deny"}))
    crash(log)

    async with place.open():
        pass

    assert [(line.body["id"], line.body["facts"]) for line in place.lines()[7:-1]] == [
        ("a", {"outcome": "unknown", "why": "the process ended before the outcome"}),
        ("c", {"outcome": "unknown", "why": "the process ended before the outcome"}),
    ]
    assert place.lines()[6].body["facts"] == {"event": "started", "torn": [], "unfinished": 2}


async def test_nothing_is_closed_twice(place: Place) -> None:
    log = await place.start()
    await log.write(decision("a"))
    crash(log)
    for _ in range(2):
        async with place.open():
            pass

    assert [line.body["id"] for line in place.lines()].count("a") == 2


async def test_open_decisions_are_found_beyond_the_last_segment(place: Place) -> None:
    log = await place.start(segment_bytes=2000)
    await log.write(decision("open"))
    for n in range(20):
        await log.write(decision(f"{n}"))
        await log.write(outcome(f"{n}"))
    crash(log)
    assert len(place.segments()) > 3

    async with place.open():
        pass

    assert [line.body["id"] for line in place.lines() if "why" in line.body["facts"]] == ["open"]


async def test_segments_are_named_by_their_first_record_and_the_chain_crosses_them(
    place: Place,
) -> None:
    async with place.open(segment_bytes=1500) as log:
        for n in range(20):
            await log.write(Record(id=f"{n}", kind=Kind.ADMIN, at=NOW, facts={"n": n}))

    names = [name for name, _ in place.segments()]
    firsts = [int(name.removeprefix("audit-").removesuffix(".jsonl")) for name in names]
    assert firsts[0] == 1
    assert len(firsts) > 3
    assert [place.lines()[first - 1].body["sequence"] for first in firsts] == firsts
    assert place.verify().findings == ()


async def test_the_files_are_for_nobody_else(place: Place) -> None:
    before = os.umask(0)
    try:
        async with place.open() as log:
            await log.write(decision("a"))
    finally:
        os.umask(before)

    secret = [*place.audit.iterdir(), *place.checkpoints.glob("*.jsonl")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE(place.audit.stat().st_mode) == 0o700


async def test_a_second_process_is_told_that_the_log_is_taken(place: Place) -> None:
    async with place.open():
        with pytest.raises(AuditUnavailable, match="another process"):
            await place.start()


async def test_a_closed_log_takes_nothing(place: Place) -> None:
    async with place.open() as log:
        pass

    with pytest.raises(AuditUnavailable):
        await log.write(decision("a"))
    await log.close()


@pytest.mark.parametrize("durability", ["Process", "Disk"])
@pytest.mark.parametrize("room", [0, 1, 100])
async def test_on_a_full_disk_the_record_is_refused_and_the_next_one_fits_the_chain(
    place: Place, room: int, durability: str
) -> None:
    async with place.open(durability=durability) as log:
        await log.write(decision("before", facts={"decision": "deny"}))
        segment = place.audit / place.segments()[0][0]

        with full_disk(segment.stat().st_size + room):
            for _ in range(3):
                with pytest.raises(AuditUnavailable):
                    await log.write(decision("during", facts={"decision": "deny"}))

        await log.write(decision("after", facts={"decision": "deny"}))

    assert [line.body["id"] for line in place.lines()[1:-1]] == ["before", "after"]
    assert place.verify().exit_code == 0


async def test_a_disk_that_can_not_even_be_cut_back_is_mended_before_the_next_record(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with place.open() as log:
        await log.write(decision("before", facts={"decision": "deny"}))
        segment = place.audit / place.segments()[0][0]
        with monkeypatch.context() as patch, full_disk(segment.stat().st_size + 50):
            patch.setattr(os, "ftruncate", broken)
            for _ in range(2):
                with pytest.raises(AuditUnavailable):
                    await log.write(decision("during", facts={"decision": "deny"}))
        assert not segment.read_bytes().endswith(b"\n")

        await log.write(decision("after", facts={"decision": "deny"}))

    assert [line.body["id"] for line in place.lines()[1:-1]] == ["before", "after"]
    assert place.verify().exit_code == 0


async def test_many_writers_share_one_sync(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def counted(fd: int) -> None:
        synced.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", counted)

    async with place.open(durability="Disk") as log:
        synced.clear()
        await asyncio.gather(*(log.write(decision(f"{n}")) for n in range(100)))
        assert 1 <= len(synced) <= 3
        await asyncio.gather(*(log.write(outcome(f"{n}")) for n in range(100)))

    assert len(place.lines()) == 202
    assert place.verify().exit_code == 0


async def test_a_sync_that_fails_refuses_all_who_wait_and_takes_their_records_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with place.open(durability="Disk") as log:
        await log.write(decision("before", facts={"decision": "deny"}))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", broken)
            answers = await asyncio.gather(
                *(log.write(decision(f"{n}")) for n in range(10)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {AuditUnavailable}
        await log.write(decision("after", facts={"decision": "deny"}))

    assert [line.body["id"] for line in place.lines()[1:-1]] == ["before", "after"]
    assert place.verify().exit_code == 0


async def test_a_running_log_takes_another_way_of_writing(place: Place) -> None:
    async with place.open(arguments="Digest", durability="Process") as log:
        await log.write(decision("d1", arguments={"q": "x"}))
        log.keep(arguments="Full", durability="Disk")
        log.keep(arguments="Full", durability="Disk")
        await log.write(decision("d2", arguments={"q": "x"}))
        log.keep(arguments="Redacted", durability="Process")
        await log.write(decision("d3", arguments={"password": "x"}))

    lines = place.lines()
    written = {x.body["id"]: x.value("arguments") for x in lines if x.body["kind"] == "decision"}
    assert [*written["d1"]] == ["bytes", "digest"]
    assert (written["d2"], written["d3"]) == ({"q": "x"}, {"password": "[secret]"})
    assert [facts for facts in place.facts() if facts.get("event") == "settings"] == [
        {"kind": "system", "event": "settings", "arguments": "Full", "durability": "Disk"},
        {"kind": "system", "event": "settings", "arguments": "Redacted", "durability": "Process"},
    ]
    assert place.verify().exit_code == 0


async def test_a_failed_sync_takes_back_nothing_that_was_promised_without_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow_and_bad(_: int) -> None:
        go_on.wait(10)
        raise OSError(errno.EIO, "I/O error")

    async with place.open(durability="Disk") as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", slow_and_bad)
            waiting = asyncio.create_task(log.write(decision("on disk or not at all")))
            await asyncio.sleep(0)
            log.keep(arguments="Redacted", durability="Process")
            await log.write(decision("promised"))
            go_on.set()
            with pytest.raises(AuditUnavailable):
                await waiting
        await log.write(decision("after"))

    ids = [line.body["id"] for line in place.lines() if line.body["kind"] == "decision"]
    assert ids[-2:] == ["promised", "after"]
    assert place.verify().exit_code == 0


@pytest.mark.parametrize("durability", ["Process", "Disk"])
async def test_long_runs_rotate_under_both_durabilities(place: Place, durability: str) -> None:
    async with place.open(durability=durability, segment_bytes=4000) as log:
        for n in range(10):
            await asyncio.gather(*(log.write(decision(f"{n}.{i}")) for i in range(10)))
            await asyncio.gather(*(log.write(outcome(f"{n}.{i}")) for i in range(10)))

    assert len(place.segments()) > 3
    assert place.verify().exit_code == 0


async def test_a_deleted_segment_is_noticed_and_nothing_more_goes_into_it(place: Place) -> None:
    async with place.open() as log:
        await log.write(decision("a", facts={"decision": "deny"}))
        (place.audit / place.segments()[0][0]).unlink()
        await log.write(decision("b", facts={"decision": "deny"}))

    assert [line.body["sequence"] for line in place.lines()] == [3, 4, 5]
    assert place.verify().exit_code == 1


async def test_a_checkpoint_is_signed_after_a_thousand_records_and_at_the_end(
    place: Place,
) -> None:
    async with place.open(checkpoint_seconds=3600) as log:
        for n in range(1000):
            await log.write(Record(id=f"{n}", kind=Kind.ADMIN, at=NOW, facts={}))
        async with asyncio.timeout(10):
            while place.verify().anchored != log.head.sequence:
                await asyncio.sleep(0.01)

    report = place.verify()
    assert (report.anchors, report.anchored, report.after) == (3, 1002, 0)


async def test_a_checkpoint_is_signed_when_time_has_passed(place: Place) -> None:
    async with place.open(checkpoint_seconds=0.01) as log:
        await log.write(decision("a", facts={"decision": "deny"}))
        async with asyncio.timeout(10):
            while place.verify().anchored != 2:
                await asyncio.sleep(0.01)


async def test_checkpoints_that_can_not_be_kept_are_recorded_once_and_made_up_for(
    place: Place,
) -> None:
    async with place.open(checkpoint_seconds=3600) as log:
        aside = place.checkpoints.with_name("aside")
        place.checkpoints.rename(aside)
        place.checkpoints.write_text("no folder")
        await log.write(decision("a", facts={"decision": "deny"}))
        await log.checkpoint()
        await log.checkpoint()
        place.checkpoints.unlink()
        aside.rename(place.checkpoints)
        await log.write(decision("b", facts={"decision": "deny"}))

    events = [facts.get("event") for facts in place.facts()]
    assert events.count("checkpoint-failed") == 1
    assert place.verify().exit_code == 0


async def test_what_json_can_not_hold_is_a_bug_and_leaves_the_chain_alone(place: Place) -> None:
    async with place.open() as log:
        with pytest.raises(TypeError):
            await log.write(decision("a", facts={"bytes": b"no text"}))
        with pytest.raises(TypeError):
            await log.write(decision("a", facts={"x": float("nan")}))
        await log.write(decision("b", facts={"decision": "deny"}))

    assert [line.body["id"] for line in place.lines()[1:-1]] == ["b"]
    assert place.verify().exit_code == 0
