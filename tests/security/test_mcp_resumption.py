"""Event ids as a way to events of others, or around today's policy."""

import pytest

from mcp_parts import (
    ALLOW_ALL,
    World,
    drained,
    event,
    header,
    initialize,
    initialized,
    json_answer,
    sse_answer,
    world,
)
from ostiary_proxy.pipeline.event_ids import RESUMABLE
from resumption_parts import PRIMING, TEXT, broken, ids, resume


async def sessionless(w: World, token: str) -> str:
    """Open a session with a server that keeps none: only its event ids tell streams apart."""
    w.upstream.script = lambda _: json_answer(initialized())
    return str(header(await w.send(initialize(), token=token), "mcp-session-id"))


@pytest.mark.parametrize("whose", ["alice", "bob"])
async def test_an_event_id_is_worth_nothing_in_another_session(whose: str) -> None:
    w = world()
    last = await broken(w, await sessionless(w, "alice"))
    other = await sessionless(w, whose)
    w.upstream.script = lambda _: sse_answer(TEXT)
    before = len(w.upstream.sent)

    answer = await resume(w, other, last, token=whose)

    assert (answer.status, len(w.upstream.sent)) == (400, before)
    assert w.log.words()[-1] == ("refusal", "deny")


async def test_no_event_id_that_we_did_not_hand_out_goes_upstream() -> None:
    w = world()
    session = await sessionless(w, "alice")
    last = await broken(w, session)
    before = len(w.upstream.sent)

    for made_up in ("up-1", "9", last[:-1], last + "A", last.swapcase(), "ü", "x" * 8000):
        answer = await resume(w, session, made_up)
        assert answer.status == 400

    assert len(w.upstream.sent) == before


async def test_an_answer_is_not_resumed_once_policy_forbids_the_call() -> None:
    arguments = {"name": "no-x", "effect": "Deny", "condition": "args.path == 'x'"}
    w = world()
    session = await w.session()
    last = await broken(w, session, name="a", arguments={"path": "x"})
    w.allow(ALLOW_ALL, arguments)
    before = len(w.upstream.sent)

    answer = await resume(w, session, last)

    assert (answer.status, answer.body, len(w.upstream.sent)) == (403, b"", before)
    assert w.log.words()[-1] == ("decision", "deny")


async def test_an_answer_is_not_resumed_once_nobody_knows_what_was_asked() -> None:
    w = world()
    session = await w.session()
    last = await broken(w, session)
    (key,) = [row.key for row in await w.live.store.scan(RESUMABLE, "", limit=9)]
    before = len(w.upstream.sent)

    w.now[0] += 3601
    late = await resume(w, session, last)
    await w.live.store.put(RESUMABLE, key, b"another row", expires=None)
    swapped = await resume(w, session, last)

    assert (late.status, swapped.status, len(w.upstream.sent)) == (400, 400, before)


async def test_the_store_learns_no_arguments() -> None:
    w = world()
    session = await w.session()

    await broken(w, session, name="a", arguments={"path": "a-secret-place"})

    (row,) = await w.live.store.scan(RESUMABLE, "", limit=9)
    assert b"a-secret-place" not in row.value


async def test_a_session_that_ended_resumes_nothing() -> None:
    w = world()
    session = await w.session()
    last = await broken(w, session)
    await w.send(method="DELETE", headers=(("mcp-session-id", session),))

    assert (await resume(w, session, last)).status == 404


async def test_an_event_is_not_told_where_nobody_could_say_later_what_it_answers() -> None:
    w = world(lambda _: sse_answer(event(TEXT, event_id="9")))
    session = await w.session()
    answer = await w.legacy(session, "tools/call", {"name": "a"})

    await w.live.store.close()
    data = await drained(answer)

    assert (ids(data), data) == ([], b"")


async def rows(w: World) -> list[int]:
    """Return how large each row of what can be resumed is."""
    found = await w.live.store.scan(RESUMABLE, "", limit=10_000)
    return [len(row.value) for row in found]


async def test_hundreds_of_large_calls_take_a_bounded_part_of_the_store() -> None:
    w = world()
    session = await w.session()
    w.upstream.script = lambda _: sse_answer(PRIMING)

    for number in range(300):
        text = "x" * (60_000 if number % 2 else 3_000)
        await drained(
            await w.legacy(session, "tools/call", {"name": "a", "arguments": {"text": text}})
        )

    sizes = await rows(w)
    assert len(sizes) == 16 + 128
    assert sum(sizes) < 1.5 * 1024 * 1024


async def test_the_oldest_answers_can_be_resumed_no_more_and_the_newest_can() -> None:
    w = world()
    session = await w.session()
    first = await broken(w, session)
    others = [await broken(w, session) for _ in range(128)]
    w.upstream.script = lambda _: sse_answer(TEXT)

    statuses = [(await resume(w, session, last)).status for last in (first, *others)]

    assert statuses == [400, *[200] * 128]


async def test_one_persons_calls_leave_the_places_of_others_alone() -> None:
    w = world()
    bobs = await w.session(token="bob")
    w.upstream.script = lambda _: sse_answer(PRIMING)
    answer = await w.legacy(bobs, "tools/call", {"name": "a"}, token="bob")
    (last,) = ids(await drained(answer))
    session = await w.session()
    for _ in range(300):
        await broken(w, session)
    w.upstream.script = lambda _: sse_answer(TEXT)

    assert (await resume(w, bobs, last, token="bob")).status == 200
