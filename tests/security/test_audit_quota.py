"""Strangers, and servers that misbehave, can't fill the disk (security decision 16)."""

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from audit_parts import NOW, Place, counting_entropy
from ostiary_proxy.audit.counted import OWN_REQUESTS, SERVER_MESSAGES, STRANGERS
from ostiary_proxy.audit.quota import Counted, Quota
from ostiary_proxy.audit.record import AuditUnavailable, Kind, Record


class Kept:
    """A log in memory that can be full."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.full = False

    async def write(self, record: Record) -> None:
        if self.full:
            raise AuditUnavailable("full")
        self.records.append(record)


def refusal(source: str | int, code: str = "NoToken") -> Record:
    personal: dict[str, Any] = {"source": str(ip_address(source))}
    return Record(id="r", kind=Kind.REFUSAL, at=NOW, facts={"code": code}, personal=personal)


def quota(log: Any, counted: Counted = STRANGERS) -> Quota:
    return Quota(log, counted, clock=lambda: NOW, entropy=counting_entropy())


async def test_beyond_ten_a_minute_a_source_is_only_counted() -> None:
    log = Kept()
    limited = quota(log)
    for _ in range(500):
        await limited.write(refusal("203.0.113.7"))
    for _ in range(3):
        await limited.write(refusal("203.0.113.8", "InvalidToken"))
    assert len(log.records) == 13

    await limited.close()

    summary = log.records[-1]
    assert (summary.facts, summary.personal) == (
        {"event": "refusals-counted", "refused": 490, "codes": {"NoToken": 490}, "sources": 1},
        {"sources": {"203.0.113.7": 490}},
    )


async def test_many_sources_together_are_bounded_too() -> None:
    log = Kept()
    limited = quota(log)
    for n in range(20_000):
        await limited.write(refusal(0x0A000000 + n))
    await limited.close()

    assert len(log.records) == 301
    summary = log.records[-1]
    assert summary.facts["refused"] == 19_700
    assert len(summary.personal["sources"]) == 50  # type: ignore[arg-type]  # a mapping


async def test_one_ipv6_network_is_one_source() -> None:
    log = Kept()
    limited = quota(log)
    for n in range(100):
        await limited.write(refusal(f"2001:db8::{n:x}"))
    await limited.close()

    assert len(log.records) == 11
    assert log.records[-1].personal == {"sources": {"2001:db8::/64": 90}}


async def test_the_next_minute_has_a_quota_of_its_own() -> None:
    log = Kept()
    limited = quota(log)
    for _ in range(2):
        for _ in range(11):
            await limited.write(refusal("203.0.113.7"))
        await limited.flush()
    await limited.close()

    assert [record.facts.get("refused") for record in log.records].count(1) == 2
    assert len(log.records) == 22


async def test_counts_that_could_not_be_written_stand_in_the_next_summary() -> None:
    log = Kept()
    limited = quota(log)
    for _ in range(15):
        await limited.write(refusal("203.0.113.7"))
    log.full = True
    with pytest.raises(AuditUnavailable):
        await limited.flush()
    log.full = False
    await limited.close()

    assert log.records[-1].facts["refused"] == 5


async def test_who_has_a_grant_is_recorded_each_time() -> None:
    log = Kept()
    limited = quota(log)
    facts: dict[str, Any] = {"code": "InvalidParams", "gid": "g1"}
    for kind in (Kind.REFUSAL, Kind.DECISION):
        for _ in range(400):
            await limited.write(Record(id="r", kind=kind, at=NOW, facts=facts))
    await limited.close()

    assert len(log.records) == 800


async def test_a_refusal_without_a_source_counts_as_one_unknown_source() -> None:
    log = Kept()
    limited = quota(log)
    for n in range(20):
        personal: dict[str, Any] = {} if n % 2 else {"source": "not an address"}
        await limited.write(Record(id="r", kind=Kind.REFUSAL, at=NOW, facts={}, personal=personal))
    await limited.close()

    assert log.records[-1].personal == {"sources": {"unknown": 10}}


async def test_a_refusal_under_the_quota_that_can_not_be_written_is_told() -> None:
    log = Kept()
    log.full = True
    limited = quota(log)

    with pytest.raises(AuditUnavailable):
        await limited.write(refusal("203.0.113.7"))
    await limited.close()


def own(number: int, method: str = "initialize", gid: str = "g1") -> Record:
    facts: dict[str, Any] = {
        "decision": "allow", "by": "gateway", "method": method, "gid": gid, "route": "team/files",
    }  # fmt: skip
    return Record(id=f"own-{number}", kind=Kind.DECISION, at=NOW, facts=facts)


def outcome(number: int) -> Record:
    return Record(id=f"own-{number}", kind=Kind.OUTCOME, at=NOW, facts={"outcome": "ok"})


async def test_what_a_server_makes_the_gateway_say_is_written_300_times_a_minute_and_counted() -> (
    None
):
    log = Kept()
    limited = quota(log, OWN_REQUESTS)
    for number in range(1000):
        await limited.write(own(number, "DELETE" if number % 2 else "initialize"))
        await limited.write(outcome(number))
    await limited.write(own(1000, gid="g2"))
    await limited.write(outcome(1000))
    assert len(log.records) == 2 * 301

    await limited.close()

    summary = log.records[-1]
    assert (summary.kind, summary.facts, summary.personal) == (
        "system",
        {
            "event": "own-requests-counted",
            "requests": 700,
            "methods": {"initialize": 350, "DELETE": 350},
            "grants": 1,
        },
        {"grants": {"g1 team/files": 700}},
    )


async def test_what_clients_say_is_under_no_quota() -> None:
    log = Kept()
    limited = quota(log, OWN_REQUESTS)
    for number in range(1000):
        facts: dict[str, Any] = {"decision": "allow", "method": "tools/call", "gid": "g1"}
        await limited.write(Record(id=f"own-{number}", kind=Kind.DECISION, at=NOW, facts=facts))
        await limited.write(outcome(number))

    assert len(log.records) == 2000


def dropped(during: str, why: str, decision: str = "drop") -> Record:
    facts: dict[str, Any] = {"decision": decision, "during": during, "detail": why}
    return Record(id="s", kind=Kind.SERVER_MESSAGE, at=NOW, facts=facts)


async def test_dropped_messages_of_one_answer_are_written_100_times_a_minute_and_counted() -> None:
    log = Kept()
    limited = quota(log, SERVER_MESSAGES)
    for number in range(5000):
        await limited.write(dropped("d1", f"no message: {number}"))
    await limited.write(dropped("d2", "not readable"))
    assert len(log.records) == 101

    await limited.close()

    summary = log.records[-1]
    details = summary.facts["details"]
    assert isinstance(details, dict)
    assert (summary.facts["event"], summary.facts["dropped"], summary.facts["exchanges"]) == (
        "server-messages-counted", 4900, 1,
    )  # fmt: skip
    assert (len(details), details["others"]) == (51, 4850)
    assert summary.personal == {"exchanges": {"d1": 4900}}


async def test_what_a_server_asks_and_people_see_is_always_written() -> None:
    log = Kept()
    limited = quota(log, SERVER_MESSAGES)
    for _ in range(500):
        await limited.write(dropped("d1", "policy", decision="pass"))

    assert len(log.records) == 500


async def test_a_flood_costs_the_disk_a_few_kilobytes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.open() as log:
        limited = quota(log)
        for n in range(5000):
            await limited.write(refusal(0x0A000000 + n % 40))
        await limited.close()

    assert len(place.raw_lines()) <= 303
    assert place.verify().exit_code == 0
