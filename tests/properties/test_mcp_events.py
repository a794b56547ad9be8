"""Rules 27 and 33: however a stream is cut into chunks, the same events come out."""

from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.mcp.sse import Event, Splitter, write_event

LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
EVENTS = st.lists(
    st.builds(
        Event,
        data=st.none() | st.lists(LINE, min_size=1, max_size=3).map("\n".join),
        type=st.none() | LINE,
        id=st.none() | LINE,
        retry=st.none() | LINE,
        comments=st.lists(LINE, max_size=2).map(tuple),
    ).filter(lambda event: write_event(event) != b""),
    max_size=4,
)


def split(data, cuts):
    splitter, events, start = Splitter(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        events += splitter.feed(data[start:cut])
        start = max(start, cut)
    return events


@given(EVENTS, st.sampled_from(["\n", "\r", "\r\n"]), st.booleans(), st.data())
def test_any_chunking_and_any_line_end_give_the_same_events(events, end, bom, data):
    text = b"".join(write_event(event) for event in events).replace(b"\n", end.encode())
    stream = b"\xef\xbb\xbf" * bom + text
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))

    assert split(stream, cuts) == events
    assert split(stream, range(len(stream))) == events
    assert split(stream, ()) == events


@given(st.binary(max_size=200), st.data())
def test_any_bytes_give_the_same_events_or_the_same_refusal_in_any_chunking(stream, data):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))

    assert outcome(stream, cuts) == outcome(stream, ())


def outcome(stream, cuts):
    try:
        return split(stream, cuts)
    except ValueError as error:
        return str(error)
