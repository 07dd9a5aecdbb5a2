"""Claude Code's files, with what stands in them counted by hand."""

from pathlib import Path
from typing import Any

import pytest

from perdure.profile.claude import ClaudeReader
from tests.profile.transcripts import Claude, call, kinds, read, text, tokens, usage, written

LONG = "\n".join(f"def function_number_{number}(argument): return {number}" for number in range(200))


def session(name: str = "s-1") -> Claude:
    """A person asks, a file is read, the model answers: two requests, of 5,000 and 9,000 tokens."""
    talk = Claude(name)
    talk.add("file-history-snapshot", parent=None)
    talk.last = None
    talk.user("Where is the bug?")
    talk.reply(
        "m-1",
        [text("I look."), call("t-1", "Read", file_path="/repo/a.py")],
        usage(2, 4_998, 0, 60, long=True),
    )
    talk.result("t-1", LONG)
    talk.reply("m-2", [text("It is in function_number_7.")], usage(2, 3_998, 5_000, 20, long=True))
    return talk


def test_a_reply_in_several_records_is_one_request_and_counted_once(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", session().records))
    assert [request.usage.input_tokens for request in trace.requests] == [5_000, 9_000]
    assert [request.usage.output_tokens for request in trace.requests] == [60, 20]
    assert [request.usage.cache_read_tokens for request in trace.requests] == [0, 5_000]
    assert trace.name == "s-1"


def test_the_segments_of_a_request_take_what_was_counted(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", session().records))
    assert [tokens(trace, 0), tokens(trace, 1)] == [5_000, 9_000]
    assert kinds(trace, 0) == ["system", "schema", "user"]
    assert kinds(trace, 1) == ["system", "schema", "user", "said", "call", "result"]
    result = next(segment for segment in trace.segments if segment.kind == "result")
    assert (result.tool, result.about, result.path, result.size) == (
        "Read",
        "/repo/a.py",
        "/repo/a.py",
        len(LONG),
    )
    reply = sum(segment.tokens for segment in trace.segments if segment.kind in ("said", "call"))
    assert reply == 60
    assert result.tokens == 4_000 - 60


def test_what_a_file_does_not_hold_is_said_aloud(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", session().records))
    assert any("System prompt and tool schemas" in words for words in trace.assumed)
    system, schema = trace.segments[:2]
    assert system.kind == "system"
    assert schema.kind == "schema"
    assert 0.8 < schema.tokens / (schema.tokens + system.tokens) < 0.84


def test_the_life_of_the_cache_is_as_recorded(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", session().records))
    assert [request.written_long for request in trace.requests] == [4_998, 3_998]
    assert {request.ttl for request in trace.requests} == {3_600 * 1_000_000_000}
    short = Claude()
    short.user("Hello")
    short.reply("m-1", [text("Hello.")], usage(2, 998, 0, 5))
    (trace,) = read(written(tmp_path / "b.jsonl", short.records))
    assert (trace.requests[0].written_short, trace.requests[0].ttl) == (998, 300 * 1_000_000_000)


def test_results_that_stand_between_the_records_of_a_reply_came_after_it(tmp_path: Path):
    talk = Claude()
    talk.user("Read both.")
    count = usage(2, 998, 0, 80)
    talk.reply("m-1", [call("t-1", "Read", file_path="a")], count)
    talk.result("t-1", LONG)
    talk.reply("m-1", [call("t-2", "Read", file_path="b")], count)
    talk.result("t-2", LONG[::-1])
    talk.reply("m-2", [text("Done.")], usage(2, 8_998, 1_000, 5))
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert len(trace.requests) == 2
    assert kinds(trace, 1) == ["system", "schema", "user", "call", "call", "result", "result"]
    assert tokens(trace, 1) == 10_000


def test_times_that_go_back_do_not_change_the_order(tmp_path: Path):
    straight, bent = session(), session()
    for record, when in zip(bent.records, reversed(bent.records), strict=True):
        record["timestamp"] = when["timestamp"]
    (first,), (second,) = (
        read(written(tmp_path / name, talk.records))
        for name, talk in (("a.jsonl", straight), ("b.jsonl", bent))
    )
    assert first.segments == second.segments


def test_a_sub_agent_in_progress_records_is_a_trace_of_its_own(tmp_path: Path):
    talk, inner = session(), Claude("s-1", side="x")
    inner.user("Look for it.")
    inner.reply("m-9", [text("Found.")], usage(2, 698, 0, 9), model="claude-haiku-4-5-20251001")
    for record in inner.records:
        message = {name: record[name] for name in ("type", "uuid", "timestamp", "message")}
        talk.add("progress", data={"type": "agent_progress", "agentId": "a7", "message": message})
    main, side = read(written(tmp_path / "a.jsonl", talk.records))
    assert [request.usage.input_tokens for request in main.requests] == [5_000, 9_000]
    assert (side.name, [request.usage.input_tokens for request in side.requests]) == ("s-1/a7", [700])
    assert side.requests[0].model == "claude-haiku-4-5-20251001"


def test_a_sidechain_is_a_trace_of_its_own(tmp_path: Path):
    talk, side = session(), Claude("s-1", side="b2")
    side.user("Look for it.")
    side.reply("m-9", [text("Found.")], usage(2, 698, 0, 9))
    main, other = read(written(tmp_path / "a.jsonl", [*talk.records[:4], *side.records, *talk.records[4:]]))
    assert len(main.requests) == 2
    assert (other.name, len(other.requests)) == ("s-1/b2", 1)


def test_a_compaction_begins_a_new_stretch(tmp_path: Path):
    talk = session()
    talk.add("system", parent=None, subtype="compact_boundary", compactMetadata={"trigger": "auto"})
    talk.user("Summary of what was: the bug is in function 7.", isCompactSummary=True)
    talk.reply("m-3", [text("I go on.")], usage(2, 5_298, 0, 9, long=True))
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert trace.compactions == (2,)
    assert trace.requests[2].first == trace.requests[1].last + 1  # behind the reply, which no request held
    assert tokens(trace, 2) == 5_300
    assert "result" not in kinds(trace, 2)
    assert trace.segments[trace.requests[2].first].tokens == trace.segments[0].tokens


def test_messages_that_a_compaction_preserves_stay(tmp_path: Path):
    talk = session()
    kept = talk.records[-2]["uuid"]
    talk.add(
        "system",
        parent=None,
        subtype="compact_boundary",
        compactMetadata={"preservedMessages": {"uuids": [kept]}},
    )
    talk.user("Summary.", isCompactSummary=True)
    talk.reply("m-3", [text("I go on.")], usage(2, 8_998, 0, 9, long=True))
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert "result" in kinds(trace, 2)
    results = [segment for segment in trace.segments if segment.kind == "result"]
    assert results[0] == results[1]


def test_a_person_who_goes_back_begins_a_new_stretch(tmp_path: Path):
    talk = session()
    fork = talk.records[3]["uuid"]  # the last record of the first reply
    talk.user("No, look elsewhere.", parent=fork)
    talk.reply("m-3", [text("Elsewhere, then.")], usage(2, 298, 5_000, 9, long=True))
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert trace.requests[2].first >= trace.requests[1].last
    assert "result" not in kinds(trace, 2)
    assert tokens(trace, 2) == 5_300


def test_a_resumed_session_that_repeats_its_history_is_counted_once(tmp_path: Path):
    first = session("s-1")
    second = [{**record, "sessionId": "s-2"} for record in first.records]
    more = Claude("s-2")
    more.last = str(second[-1]["uuid"])
    more.user("And the other?")
    more.reply("m-3", [text("Fixed too.")], usage(2, 98, 9_000, 9, long=True))
    one = written(tmp_path / "1.jsonl", first.records)
    two = written(tmp_path / "2.jsonl", [*second, *more.records])
    found = read(one, two)
    assert [[request.usage.input_tokens for request in trace.requests] for trace in found] == [
        [5_000, 9_000],
        [9_100],
    ]
    assert tokens(found[1], 0) == 9_100
    assert "result" in kinds(found[1], 0)
    assert any("history here" in words for words in found[1].assumed)


def test_a_session_without_its_beginning_says_so(tmp_path: Path):
    talk = session()
    rest = [{**record} for record in talk.records[4:]]
    rest[-1]["message"]["usage"] = usage(2, 3_998, 76_000, 20)
    (trace,) = read(written(tmp_path / "a.jsonl", rest))
    assert any("begins in the middle" in words for words in trace.assumed)
    lost = next(segment for segment in trace.segments if segment.about.startswith("history"))
    assert lost.tokens > 40_000
    assert tokens(trace, 0) == 80_000


def test_what_a_client_takes_out_again_begins_a_stretch_that_is_less(tmp_path: Path):
    talk = session()
    talk.user("Go on.")
    talk.reply("m-3", [text("On.")], usage(2, 98, 5_000, 9, long=True))
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert trace.requests[2].first >= trace.requests[1].last
    assert tokens(trace, 2) == 5_100


def test_synthetic_replies_and_errors_are_no_requests(tmp_path: Path):
    talk = session()
    talk.reply("x-1", [text("API Error")], usage(0, 0, 0, 0), model="<synthetic>")
    talk.add("system", subtype="api_error", error={})
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert len(trace.requests) == 2


class EveryRecord(ClaudeReader):
    """A broken reader: it takes each record of a reply for a request."""

    def take(self, record: dict[str, Any]) -> None:
        if record.get("type") == "assistant":
            record = {**record, "message": {**record["message"], "id": record["uuid"]}}
        super().take(record)


def test_a_reader_that_counts_every_record_is_caught():
    reader = EveryRecord("s-1", set())
    for record in session().records:
        reader.take(record)
    (trace,) = reader.traces()
    with pytest.raises(AssertionError):
        assert [request.usage.input_tokens for request in trace.requests] == [5_000, 9_000]
