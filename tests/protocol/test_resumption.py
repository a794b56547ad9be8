"""Rules 32 and 33, pitfall 7: streams of 2025 that break off and go on after an event id."""

import pytest

from mcp_parts import drained, event, events, request, result, sent_header, sse_answer, world
from ostiary_proxy.outbound.exchange import OutboundFailed
from resumption_parts import PRIMING, TEXT, broken, ids, resume

MASKED = {
    "name": "masked",
    "effect": "Allow",
    "who": {"everyone": True},
    "transform": {"redact": [{"pattern": "bob@[a-z.]+"}]},
}


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_an_answer_that_broke_off_goes_on_after_the_servers_own_event(version):
    w = world()
    session = await w.session(version=version)
    last = await broken(w, session)
    w.upstream.script = lambda _: sse_answer(event(TEXT, event_id="up-2"))

    data = await drained(await resume(w, session, last))

    assert "up-1" not in last
    sent = w.upstream.sent[-1]
    assert (sent.method, sent_header(sent, "last-event-id")) == ("GET", "up-1")
    assert sent_header(sent, "mcp-session-id") == "up-1"
    assert events(data) == [TEXT]
    assert len(ids(data)) == 1
    call = next(one for one in w.log.records if one.facts.get("method") == "tools/call")
    assert [(one.kind, one.facts.get("resumes")) for one in w.log.records[-2:]] == [
        ("decision", call.id),
        ("outcome", None),
    ]


async def test_an_answer_goes_on_at_another_replica():
    one, two = world(), world(lambda _: sse_answer(TEXT))
    object.__setattr__(two.live, "store", one.live.store)
    session = await one.session()

    last = await broken(one, session)

    assert events(await drained(await resume(two, session, last))) == [TEXT]
    assert sent_header(two.upstream.sent[-1], "last-event-id") == "up-1"


async def test_a_stream_that_ends_or_breaks_before_the_answer_can_be_resumed_again_and_again():
    w = world()
    session = await w.session()
    last = await broken(w, session)
    endings = [sse_answer(b"id: up-2\ndata:\n\n", *end) for end in ([], [OutboundFailed("closed")])]
    w.upstream.script = lambda _: endings.pop(0)
    while endings:
        data = await drained(await resume(w, session, last))
        assert events(data) == []
        last = ids(data)[0]
    w.upstream.script = lambda _: sse_answer(TEXT)

    assert events(await drained(await resume(w, session, last))) == [TEXT]


async def test_a_sessions_own_stream_goes_on_too_and_carries_no_answers():
    w = world()
    session = await w.session()
    told = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    w.upstream.script = lambda _: sse_answer(event(told, event_id="9"))
    opened = await drained(await w.send(method="GET", headers=(("mcp-session-id", session),)))
    w.upstream.script = lambda _: sse_answer(told, TEXT)

    data = await drained(await resume(w, session, ids(opened)[0]))

    assert sent_header(w.upstream.sent[-1], "last-event-id") == "9"
    assert events(data) == [told]


async def test_what_is_played_again_is_filtered_and_redacted_like_the_answer():
    hidden = {"name": "hidden", "effect": "Deny", "match": {"tools": ["b"]}}
    w = world(None, MASKED, hidden)
    session = await w.session()
    listed = await broken(w, session, "tools/list")
    called = await broken(w, session, "tools/call", name="a", arguments={"path": "x"})

    w.upstream.script = lambda _: sse_answer(result({"tools": [{"name": "a"}, {"name": "b"}]}))
    tools = events(await drained(await resume(w, session, listed)))
    w.upstream.script = lambda _: sse_answer(TEXT)
    said = events(await drained(await resume(w, session, called)))

    assert tools == [result({"tools": [{"name": "a"}]})]
    assert "bob@example.com" not in str(said)
    assert said[0]["id"] == 1


async def test_an_answer_passes_only_under_the_id_that_was_asked():
    w = world()
    session = await w.session()
    last = await broken(w, session)
    w.upstream.script = lambda _: sse_answer(result({}, request_id=2), TEXT, TEXT)

    assert events(await drained(await resume(w, session, last))) == [TEXT]


async def test_what_was_asked_with_more_than_64_kib_is_told_no_event_ids():
    w = world(lambda _: sse_answer(PRIMING))
    session = await w.session()

    data = await drained(
        await w.legacy(session, "tools/call", {"name": "a", "arguments": {"text": "x" * 70_000}})
    )

    assert ids(data) == []
    assert events(data)[0]["error"]["code"] == -31010


@pytest.mark.parametrize("event_id", ["x" * 2000, "ü", "a\x01b"])
async def test_an_event_id_that_no_header_could_carry_is_not_told(event_id):
    w = world(lambda _: sse_answer(event(TEXT, event_id=event_id)))
    session = await w.session()

    data = await drained(await w.legacy(session, "tools/call", {"name": "a"}))

    assert (ids(data), events(data)) == ([], [TEXT])


async def test_2026_07_28_tells_no_event_ids():
    w = world(lambda _: sse_answer(event(result({"tools": []}), event_id="9")))

    assert ids(await drained(await w.modern("tools/list"))) == []


async def test_a_posted_message_resumes_nothing():
    w = world()
    session = await w.session()
    last = await broken(w, session)
    headers = (("mcp-session-id", session), ("last-event-id", last))

    await w.send(request("tools/call", {"name": "a"}), headers=headers)

    assert sent_header(w.upstream.sent[-1], "last-event-id") is None
