"""Codex's rollouts, with what stands in them counted by hand."""

from pathlib import Path

from tests.profile.transcripts import Codex, kinds, read, tokens, written

OUTPUT = "\n".join(f"line {number} of the output of a command" for number in range(300))


def rollout(name: str = "c-1") -> Codex:
    """Two requests, of 3,000 and 6,000 tokens; the output stands before the count of the one that asked for it."""
    talk = Codex(name)
    talk.message("developer", "Permissions: all.")
    talk.message("user", "What is in it?")
    talk.message("assistant", "I look.")
    talk.call("k-1", "cat notes.txt")
    talk.output("k-1", OUTPUT)
    talk.counted(3_000, 1_024, 50)
    talk.counted(3_000, 1_024, 50, again=True)
    talk.message("assistant", "Lines.")
    talk.counted(6_000, 2_944, 10)
    return talk


def test_a_count_that_is_told_twice_is_one_request(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", rollout().records))
    assert [request.usage.input_tokens for request in trace.requests] == [3_000, 6_000]
    assert [request.usage.cache_read_tokens for request in trace.requests] == [1_024, 2_944]
    assert [request.usage.output_tokens for request in trace.requests] == [50, 10]
    assert {request.model for request in trace.requests} == {"gpt-5.5"}
    assert (trace.name, trace.source) == ("c-1", "codex")


def test_an_output_before_the_count_enters_the_next_request(tmp_path: Path):
    (trace,) = read(written(tmp_path / "a.jsonl", rollout().records))
    assert kinds(trace, 0) == ["system", "schema", "system", "user"]
    assert kinds(trace, 1) == ["system", "schema", "system", "user", "said", "call", "result"]
    assert [tokens(trace, 0), tokens(trace, 1)] == [3_000, 6_000]
    result = trace.segments[-1]
    assert (result.kind, result.tool, result.about, result.path) == (
        "result", "exec_command", "cat notes.txt", "/repo/notes.txt",
    )  # fmt: skip
    assert result.tokens == 3_000 - 50


def test_thoughts_without_words_take_what_the_count_leaves_over(tmp_path: Path):
    talk = Codex()
    talk.message("user", "Think.")
    talk.add("response_item", {"type": "reasoning", "summary": []})
    talk.message("assistant", "I have thought.")
    talk.counted(3_000, 0, 500)
    talk.message("user", "Well?")
    talk.message("assistant", "Yes.")
    talk.counted(3_510, 3_000, 5)
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    thought = next(segment for segment in trace.segments if segment.kind == "thinking")
    assert 480 < thought.tokens < 500
    assert tokens(trace, 1) == 3_510


def test_compacted_history_is_a_new_stretch(tmp_path: Path):
    talk = rollout()
    kept = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is in it?"}]}
    talk.add("compacted", {"message": "A summary.", "replacement_history": [kept]})
    talk.add("event_msg", {"type": "context_compacted"})
    talk.message("assistant", "I go on.")
    talk.counted(3_100, 1_024, 10)
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert trace.compactions == (2,)
    assert "result" not in kinds(trace, 2)
    assert tokens(trace, 2) == 3_100


def test_the_same_rollout_twice_is_counted_once(tmp_path: Path):
    one = written(tmp_path / "1.jsonl", rollout().records)
    two = written(tmp_path / "2.jsonl", rollout().records)
    assert sum(len(trace.requests) for trace in read(one, two)) == 2


def test_a_request_that_only_the_sum_tells_is_counted(tmp_path: Path):
    talk = rollout()
    talk.total += 6_050
    talk.message("user", "Again.")
    talk.message("assistant", "Here.")
    talk.counted(6_100, 5_888, 10)
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert [request.usage.input_tokens for request in trace.requests] == [3_000, 6_000, 6_050, 6_100]
    assert any("only the rollout's sum" in words for words in trace.assumed)


def test_a_turn_that_was_broken_off_leaves_its_words_and_no_request(tmp_path: Path):
    talk = rollout()
    talk.message("user", "More.")
    talk.message("assistant", "Never mi")
    talk.add("event_msg", {"type": "turn_aborted"})
    talk.message("user", "Again.")
    talk.message("assistant", "Here.")
    talk.counted(6_100, 5_888, 10)
    (trace,) = read(written(tmp_path / "a.jsonl", talk.records))
    assert len(trace.requests) == 3
    assert tokens(trace, 2) == 6_100
