"""`ostiary audit` as people and scripts use it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit_parts import NOW, Place, crash, decision, outcome
from ostiary.config.keys import KeyDocument
from ostiary_cli.audit_records import Shown, one_line
from ostiary_cli.main import main
from ostiary_proxy.audit.record import Kind, Record

RULE = {"policy": "default/team", "rule": "read-only", "generation": 3}


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """Return a gateway's state and keys with one allowed and one denied call in its log."""
    keys = KeyDocument.generate(lambda size: b"k" * size)
    made = Place(tmp_path, rings=keys.rings())
    made.checkpoints.mkdir(parents=True)
    (tmp_path / "keys" / "keys.json").write_text(json.dumps(keys.reveal()))
    person = {"email": "mara@example.com", "subject": "u1", "source": "203.0.113.7"}
    async with made.open() as log:
        await log.write(
            decision(
                "aaaa",
                facts={
                    "decision": "allow", "reason": "Allowed", "rule": RULE, "route": "default/git",
                    "method": "tools/call", "name": "search",
                },
                personal=person,
                arguments={"q": "tests", "token": "hush"},
            )
        )  # fmt: skip
        await log.write(outcome("aaaa"))
        await log.write(
            decision(
                "bbbb",
                facts={
                    "decision": "deny", "reason": "DeniedByRule", "rule": RULE, "code": "Denied",
                    "route": "default/git", "method": "tools/call", "name": "drop\u202etable",
                },
                personal=person,
            )
        )  # fmt: skip
    return made


def run(place: Place, *arguments: str) -> Result:
    located = ["--state", str(place.folder)]
    return CliRunner().invoke(main, ["audit", arguments[0], *located, *arguments[1:]])


def verified(place: Place, *arguments: str) -> Result:
    return run(place, "verify", "--keys", str(place.folder / "keys"), *arguments)


def test_verify_says_that_an_untouched_log_is_intact(place: Place) -> None:
    result = verified(place)

    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "5 records, the last is number 5",
            "2 anchors match, the last at record 5; 0 records after the last anchor",
            f"head   {place.lines()[-1].hash}",
            "intact",
        ],
    )


def test_verify_names_the_changed_line_and_exits_1(place: Place) -> None:
    path = next(place.audit.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"name":"search"', b'"name":"delete"'))

    result = verified(place)

    assert result.exit_code == 1
    assert result.output.splitlines()[0] == (
        f"FOUND  {path.name}:2: record 2: changed: the record is not the one that was hashed"
    )
    assert result.output.splitlines()[-1] == "NOT INTACT"


def test_verify_without_an_anchor_exits_3_and_says_what_to_give(
    place: Place, tmp_path: Path
) -> None:
    result = verified(place, "--checkpoints", str(tmp_path / "none"))

    assert result.exit_code == 3
    assert "give --checkpoints and --keys, or --head" in result.output


def test_verify_takes_a_head_from_outside(place: Place, tmp_path: Path) -> None:
    outside = ("--checkpoints", str(tmp_path / "none"), "--head")
    head = place.lines()[2].hash

    good, bad, odd = (verified(place, *outside, text) for text in (head.upper(), "0" * 64, "x"))

    assert (good.exit_code, bad.exit_code, odd.exit_code) == (0, 1, 2)
    assert "the last at record 3; 2 records after the last anchor" in good.output
    assert "64 hexadecimal digits" in odd.output


def test_verify_takes_the_public_keys_alone(place: Place) -> None:
    public = place.checkpoints / "audit-public.pem"
    where = ("--checkpoints", str(place.checkpoints), "--log", str(place.audit))

    result = CliRunner().invoke(main, ["audit", "verify", *where, "--keys", str(public)])

    assert result.exit_code == 0


def test_verify_prints_json_for_scripts(place: Place) -> None:
    shown = json.loads(verified(place, "-o", "json").output)

    assert shown == {
        "records": 5,
        "first": 1,
        "head": {"sequence": 5, "hash": place.lines()[-1].hash},
        "anchors": 2,
        "anchored": 5,
        "erased": 0,
        "findings": [],
        "more": 0,
        "after": 0,
        "intact": True,
    }


@pytest.mark.parametrize(
    ("content", "said"), [(b"{}", "holds no audit keys"), (b"\xff", "holds no audit keys")]
)
def test_verify_says_when_the_keys_are_none(place: Place, content: bytes, said: str) -> None:
    (place.folder / "keys" / "keys.json").write_bytes(content)

    result = verified(place)

    assert (result.exit_code, said in result.output) == (1, True)


async def test_verify_reads_a_log_that_is_being_written(place: Place) -> None:
    log = await place.start()
    await log.write(decision("cccc"))

    result = verified(place)

    assert (result.exit_code, "1 records after" in result.output) == (0, True)
    crash(log)


def test_show_tells_the_decision_and_the_outcome(place: Place) -> None:
    result = run(place, "show", "aaaa")

    assert (result.exit_code, result.output) == (
        0,
        """\
decision
  when       2027-01-15 08:00:00 UTC, record 2
  decision   allow
  reason     Allowed
  method     tools/call
  name       search
  route      default/git
  rule       default/team: read-only (generation 3)
  email      mara@example.com
  source     203.0.113.7
  subject    u1
  arguments  {"q":"tests","token":"[secret]"}

outcome
  when     2027-01-15 08:00:00 UTC, record 3
  outcome  ok
""",
    )


def test_show_prints_json_for_scripts(place: Place) -> None:
    decided, ended = json.loads(run(place, "show", "aaaa", "-o", "json").output)

    assert (decided["id"], decided["kind"], decided["at"]) == ("aaaa", "decision", NOW)
    assert decided["arguments"] == {"q": "tests", "token": "[secret]"}
    assert (ended["facts"], ended["personal"], ended["arguments"]) == (
        {"outcome": "ok"},
        None,
        None,
    )


async def test_show_tells_what_a_server_said_during_a_call_too(place: Place) -> None:
    facts: dict[str, Any] = {
        "decision": "drop", "during": "aaaa", "detail": "policy: DeniedByRule",
        "reason": "DeniedByRule", "rule": RULE, "method": "elicitation/create",
    }  # fmt: skip
    async with place.open() as log:
        await log.write(Record(id="cccc", kind=Kind.SERVER_MESSAGE, at=NOW, facts=facts))

    shown = json.loads(run(place, "show", "aaaa", "-o", "json").output)
    line = next(one for one in run(place, "tail").output.splitlines() if "[cccc]" in one)

    assert [one["id"] for one in shown] == ["aaaa", "aaaa", "cccc"]
    assert line == (
        "2027-01-15 08:00:00 drop        elicitation/create "
        "because DeniedByRule by default/team: read-only [cccc]"
    )


def test_a_refusal_that_policy_is_not_the_reason_of_names_its_code() -> None:
    facts = {"decision": "deny", "reason": "Allowed", "rule": RULE, "code": "InvalidParams"}
    record = Shown(
        id="dddd", kind="decision", at=NOW, sequence=9, facts=facts, personal=None, arguments=None
    )

    assert one_line(record).endswith("deny        because InvalidParams [dddd]")


def test_show_says_where_to_look_for_an_id_that_is_not_there(place: Place) -> None:
    result = run(place, "show", 'no"such')

    assert (result.exit_code, "ostiary audit tail" in result.output) == (1, True)


def test_tail_prints_a_readable_line_each(place: Place) -> None:
    result = run(place, "tail", "-n", "4")

    when = "2027-01-15 08:00:00"
    assert result.output.splitlines() == [
        f"{when} allow       tools/call search on default/git (mara@example.com) [aaaa]",
        f"{when} ok          [aaaa]",
        (
            f"{when} deny        tools/call drop\\u{{202e}}table on default/git "
            "because DeniedByRule by default/team: read-only (mara@example.com) [bbbb]"
        ),
        result.output.splitlines()[3],
    ]
    assert "stopped" in result.output.splitlines()[3]


@pytest.mark.parametrize(("count", "printed"), [("0", 0), ("1", 1), ("99", 5)])
def test_tail_prints_as_many_as_asked(place: Place, count: str, printed: int) -> None:
    result = run(place, "tail", "-n", count, "-o", "json")

    assert [json.loads(line)["sequence"] for line in result.output.splitlines()] == list(
        range(6 - printed, 6)
    )


async def test_tail_follows_into_the_next_segment(place: Place) -> None:
    command = [sys.executable, "-m", "ostiary_cli.main", "audit", "tail", "--follow", "-n", "1"]
    with subprocess.Popen(
        [*command, "--state", str(place.folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "stopped" in process.stdout.readline()
        async with place.open(segment_bytes=600) as log:
            for n in range(6):
                await log.write(outcome(f"x{n}"))
        found: list[str] = []
        while not (found and "stopped" in found[-1]):
            found.append(process.stdout.readline())
        process.terminate()

    assert [line for line in found if "[x" in line] == [
        f"2027-01-15 08:00:00 ok          [x{n}]\n" for n in range(6)
    ]


def test_a_folder_without_a_log_is_told_with_the_mend(tmp_path: Path) -> None:
    for arguments in (["verify"], ["tail"], ["show", "x"]):
        result = CliRunner().invoke(main, ["audit", *arguments, "--log", str(tmp_path)])

        assert (result.exit_code, "-f, or the log's own with --log" in result.output) == (1, True)


@pytest.mark.parametrize("name", ["verify", "show", "tail"])
def test_help_shows_examples(name: str) -> None:
    result: Any = CliRunner().invoke(main, ["audit", name, "--help"])

    assert f"ostiary audit {name}" in result.output


def test_a_line_says_what_the_gateway_did_by_itself() -> None:
    shown = Shown(
        id="d1", kind="decision", at=NOW, sequence=1, arguments=None,
        facts={
            "decision": "allow", "by": "gateway", "method": "initialize", "route": "team/files",
        },
        personal={"email": "mara@example.com"},
    )  # fmt: skip

    assert one_line(shown).split(maxsplit=2)[2] == (
        "allow       initialize on team/files by the gateway (mara@example.com) [d1]"
    )
