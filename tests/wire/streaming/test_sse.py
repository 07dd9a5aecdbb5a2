"""Server-sent events are cut at their ends, whatever ends their lines, and never lose a byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values import limits
from perdure.wire.streaming import sse
from perdure.wire.streaming.sse import SseEvent, SseSplitter, read, spelled_event

lines = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b": ping",
        b"event: go",
        b"id: 7",
        b"retry: 5",
        b"",
        "data: \u00e9\U0001f600".encode(),
    ]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.lists(st.tuples(lines, ends).map(b"".join), max_size=12).map(b"".join) | st.binary(max_size=40)


def pieces(stream: bytes, cuts: list[int]) -> tuple[list[bytes], bytes]:
    """Return the events of a stream that comes cut at ``cuts``, and what is left."""
    splitter = SseSplitter()
    places = sorted(cut % (len(stream) + 1) for cut in cuts)
    found: list[bytes] = []
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    return found, splitter.close()


@given(streams, st.lists(st.integers(0, 10_000), max_size=8))
def test_events_are_the_same_however_the_bytes_are_cut_and_lose_none(stream: bytes, cuts: list[int]):
    found, rest = pieces(stream, cuts)
    assert (found, rest) == pieces(stream, [])
    assert b"".join(found) + rest == stream


@given(streams)
def test_one_byte_at_a_time_is_no_different(stream: bytes):
    assert pieces(stream, list(range(len(stream)))) == pieces(stream, [])


def test_each_end_of_a_line_ends_an_event():
    for end in (b"\n", b"\r\n", b"\r"):
        event = end.join([b"event: go", b"data: 1", b"data:  2", b"", b""])
        found, rest = pieces(event + b": more", [])
        assert (found, rest) == ([event], b": more")
        assert read(event) == SseEvent(b"go", b"1\n 2")


def test_a_carriage_return_waits_for_the_byte_behind_it():
    splitter = SseSplitter()
    assert splitter.feed(b"data: 1\r\n\r") == []
    assert splitter.feed(b"\ndata") == [b"data: 1\r\n\r\n"]


def test_a_character_cut_in_two_is_whole_again():
    event = "data: \u00e9\n\n".encode()
    found, _ = pieces(event, [7])
    assert read(found[0]).data.decode() == "\u00e9"


def test_comments_and_unknown_fields_say_nothing():
    assert read(b": ping\n\n") == SseEvent(b"", b"")
    assert read(b"id: 7\nretry: 9\ndatum: 3\n\n") == SseEvent(b"", b"")
    assert read(b"data\n\n") == SseEvent(b"", b"")
    assert read(b"data: a\ndata\ndata: b\n\n") == SseEvent(b"", b"a\n\nb")


def test_a_byte_order_mark_stands_alone_and_only_in_front():
    mark = b"\xef\xbb\xbf"
    assert pieces(mark + b"data: 1\n\n", [1, 2])[0] == [mark, b"data: 1\n\n"]
    assert read(b"data: 1\n\n" + mark).data == b"1"
    assert pieces(b"\xef\xbb", [])[1] == b"\xef\xbb"


def test_an_unfinished_event_is_given_back():
    assert pieces(b"data: 1\n\ndata: 2\n", []) == ([b"data: 1\n\n"], b"data: 2\n")


def test_an_event_that_never_ends_passes_by_without_being_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "STREAM_EVENT_BYTES_MAX", 100)
    splitter = SseSplitter()
    told = [b"".join(splitter.feed(b"x" * 60)) for _ in range(4)]
    assert [len(part) for part in told] == [0, 120, 60, 60]
    assert splitter.overflown
    assert limits.STREAM_EVENT_BYTES_MAX > 100


def test_an_event_spelled_is_read_the_same():
    assert read(spelled_event(b"go", b"{}")) == SseEvent(b"go", b"{}")
    assert read(spelled_event(b"", b"{}")) == SseEvent(b"", b"{}")
