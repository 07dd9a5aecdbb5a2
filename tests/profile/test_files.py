"""Files as they are found: compressed, broken, enormous, in parts."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.adapters import transcripts as adapter
from perdure.adapters.transcripts import Unread, records, transcript_files
from perdure.assembly.recorded.profiling import Headway, figures_of, priced, traces
from perdure.profile.splitting import ArraySplitter
from perdure.profile.trace import Trace
from perdure.values.digest import Json
from perdure.values.errors import BadTranscript
from tests.profile.test_claude import session
from tests.profile.test_codex import rollout
from tests.profile.transcripts import Record, read, written

slow = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(*paths: Path) -> tuple[list[Trace], list[Unread]]:
    troubles: list[Unread] = []

    def told(headway: Headway) -> None:
        if headway.trouble is not None:
            troubles.append(headway.trouble)

    return list(traces(paths, told)), troubles


def test_compressed_files_are_read_as_they_are(tmp_path: Path):
    plain = written(tmp_path / "a.jsonl", session().records)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(plain) == read(packed)


def test_directories_are_looked_through_and_other_files_are_told(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    written(tmp_path / "deep" / "a.jsonl", session().records)
    written(tmp_path / "c.jsonl", rollout().records)
    (tmp_path / "notes.txt").write_text("no transcript", encoding="utf-8")
    (tmp_path / "settings.json").write_text('{"theme": "dark"}', encoding="utf-8")
    found, troubles = read_all(tmp_path)
    assert sorted(trace.source for trace in found) == ["claude-code", "codex"]
    assert [(trouble.path.name, trouble.why) for trouble in troubles] == [
        ("settings.json", "no session of a kind that is known")
    ]


def test_a_path_that_is_not_there_is_an_error_with_a_next_step(tmp_path: Path):
    with pytest.raises(BadTranscript, match="there is no"):
        transcript_files([tmp_path / "nowhere"])


def test_a_broken_line_is_told_with_its_number_and_passed_over(tmp_path: Path):
    lines: list[Record | str] = [*session().records]
    lines.insert(3, '{"type": "user", "message": {"ro')
    lines.insert(5, "")
    lines.append('"a text"')
    path = written(tmp_path / "a.jsonl", lines)
    found, troubles = read_all(path)
    assert [request.usage.input_tokens for request in found[0].requests] == [5_000, 9_000]
    assert [(trouble.line, trouble.why) for trouble in troubles] == [
        (4, "no JSON object"),
        (9, "no JSON object"),
    ]


def test_a_truncated_archive_gives_what_it_holds(tmp_path: Path):
    whole = gzip.compress(
        b"".join(json.dumps(record).encode() + b"\n" for record in session().records) * 40, 1
    )
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 9 // 10])
    found, troubles = read_all(path)
    assert [len(trace.requests) for trace in found] == [2]
    assert any("damaged" in trouble.why for trouble in troubles)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path):
    broken = tmp_path / "gone.jsonl"
    broken.symlink_to(tmp_path / "nowhere")
    told: list[Unread] = []
    assert list(records(broken, told.append, lambda _: None)) == []
    assert "No such file" in told[0].why


def test_a_line_beyond_the_limit_is_left_out_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adapter, "RECORD_BYTES_MAX", 4 << 20)
    monkeypatch.setattr(adapter, "CHUNK", 1 << 16)
    huge = json.dumps({"type": "user", "message": {"content": "x" * (6 << 20)}})
    lines: list[Record | str] = [*session().records[:2], huge, *session().records[2:]]
    found, troubles = read_all(written(tmp_path / "a.jsonl", lines))
    assert len(found[0].requests) == 2
    assert [(trouble.line, trouble.why) for trouble in troubles] == [(3, "longer than 4 MB")]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_lines_are_the_same_whatever_the_pieces_are(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adapter, "CHUNK", chunk)
    path = written(tmp_path / "a.jsonl", session().records)
    assert list(records(path, _refuse, lambda _: None)) == session().records


def _refuse(trouble: Unread) -> None:
    pytest.fail(trouble.why)


objects = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('ab{}[]",\\:\n é'), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), objects, max_size=3), max_size=6), st.integers(1, 40))
def test_an_array_falls_into_its_objects_whatever_the_pieces_are(items: list[dict[str, Json]], step: int):
    raw = json.dumps(items, ensure_ascii=False).encode()
    splitter = ArraySplitter(1 << 20)
    found = [item for at in range(0, len(raw), step) for item in splitter.feed(raw[at : at + step])]
    assert [json.loads(item) for item in found if item is not None] == items
    assert not splitter.open


def test_an_object_beyond_the_limit_is_none_and_the_next_is_whole():
    splitter = ArraySplitter(20)
    assert list(splitter.feed(b'[{"a":"' + b"x" * 40 + b'"},{"b":1}]')) == [None, b'{"b":1}']


garbage = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(lambda words: words.encode("utf-8", "surrogatepass")),
    st.dictionaries(
        st.sampled_from(
            ["type", "message", "payload", "uuid", "parentUuid", "timestamp", "data", "content", "usage", "model", "id", "role", "messages", "sessionId", "attachment", "subtype", "compactMetadata", "info", "arguments", "isSidechain", "agentId", "tool_calls"]
        ),
        objects
        | st.sampled_from(
            [
                "assistant", "user", "progress", "system", "attachment", "response_item", "event_msg", "compacted",
                "compact_boundary", "tool", "token_count", 1e308, -1, {"type": "agent_progress", "message": {"type": 3}},
                {"content": [{"type": "tool_use", "input": []}], "usage": {"input_tokens": "many"}},
                {"type": "function_call", "arguments": "[1"}, [{"role": "assistant", "tool_calls": [3]}],
                "2026-13-45T99:99:99Z", "9999-12-31T23:59:59+00:00",
            ]
        ),
        max_size=7,
    ).map(lambda record: json.dumps(record).encode()),
)  # fmt: skip


@slow
@given(lines=st.lists(garbage, max_size=12), place=st.integers(0, 3))
def test_no_garbage_makes_it_crash(lines: list[bytes], place: int, tmp_path: Path):
    kinds = [
        session().records,
        rollout().records,
        [{"messages": [{"role": "assistant", "content": "x"}]}],
        [],
    ]
    good = [json.dumps(record).encode() for record in kinds[place]]
    mixed = [line for pair in zip(good, [*lines, *[b""] * len(good)], strict=False) for line in pair]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([*mixed, *lines]))
    for trace in read_all(path)[0]:
        figures_of(priced(trace))
        assert all(0 <= request.first <= request.last <= len(trace.segments) for request in trace.requests)
        assert all(segment.tokens >= 0 for segment in trace.segments)


def sums(found: list[Trace]) -> tuple[int, int, int, int]:
    usages = [request.usage for trace in found for request in trace.requests]
    return (
        len(usages),
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(usage.cache_read_tokens for usage in usages),
    )


Reading = Callable[..., list[Trace]]


def split_sums(made: list[Record], at: int, directory: Path, reading: Reading) -> bool:
    """Tell whether a session in one file and in two gives the same sums."""
    whole = written(directory / "whole.jsonl", made)
    one, two = written(directory / "1.jsonl", made[:at]), written(directory / "2.jsonl", made[at:])
    return sums(reading(whole)) == sums(reading(one, two))


@slow
@given(st.data())
@pytest.mark.parametrize("kind", ["claude", "codex"])
def test_a_session_in_two_files_has_the_sums_of_one(kind: str, tmp_path: Path, data: st.DataObject):
    made = session().records if kind == "claude" else rollout().records
    at = data.draw(st.integers(1 if kind == "claude" else 3, len(made) - 1))
    assert split_sums(made, at, tmp_path, lambda *paths: read_all(*paths)[0])


def test_a_reader_that_takes_each_file_for_itself_is_caught(tmp_path: Path):
    """Broken: the records of a reply that stand in two files are two requests."""

    def apart(*paths: Path) -> list[Trace]:
        return [trace for path in paths for trace in read_all(path)[0]]

    assert not split_sums(session().records, 3, tmp_path, apart)


MORE_KB = 12 << 10
STREAMING = "sum(len(trace.requests) for trace in traces([path]))"
KEEPING = "len(list(records(path, print, lambda _: None)))"
"""Broken: all records of a file are held at once."""


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a process's own peak is told by Linux's /proc")


def grown(path: Path, reading: str = STREAMING) -> int:
    """Return the kilobytes that reading ``path`` adds to a fresh process at its peak."""
    program = (
        "import re, sys; from pathlib import Path\n"
        "from perdure.adapters.transcripts import records; from perdure.assembly.recorded.profiling import traces\n"
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1])\n"
        "path, before = Path(sys.argv[1]), peak()\n"
        f"assert {reading}\n"
        "print(peak() - before)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    return int(said.stdout)


def large(path: Path, megabytes: int, sessions: int) -> Path:
    """Write sessions with results of 100 KB each, until the file has that size."""
    filler = "\n".join(
        f"line {number} of a file with nothing in it that anybody would say" for number in range(1_500)
    )
    with path.open("w", encoding="utf-8") as file:
        rounds = megabytes * 10 // sessions
        for number in range(sessions):
            talk = session(f"s-{number}")
            for record in talk.records:
                file.write(json.dumps(record).replace("m-", f"m-{number}-") + "\n")
            for turn in range(rounds):
                made = _round(number, turn, filler)
                file.write("".join(json.dumps(record) + "\n" for record in made))
    return path


def _round(number: int, turn: int, filler: str) -> list[Record]:
    name = f"{number}-{turn}"
    count = {"input_tokens": 10, "cache_read_input_tokens": 9_000 + 30 * turn, "output_tokens": 20}
    use = {"type": "tool_use", "id": f"t-{name}", "name": "Read", "input": {"file_path": f"/f{turn % 50}"}}
    result = {"type": "tool_result", "tool_use_id": f"t-{name}", "content": f"{turn}\n{filler}"}
    message = {
        "id": f"x-{name}",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [use],
        "usage": count,
    }
    ids = {"sessionId": f"s-{number}", "timestamp": "2026-05-28T20:00:00Z"}
    return [
        {"type": "assistant", "uuid": f"a-{name}", "message": message, **ids},
        {"type": "user", "uuid": f"u-{name}", "message": {"role": "user", "content": [result]}, **ids},
    ]


@on_linux
def test_memory_does_not_follow_the_size_of_the_file(tmp_path: Path):
    small, big = (large(tmp_path / f"{size}.jsonl", size, 1) for size in (6, 30))
    more = grown(big) - grown(small)
    assert more < MORE_KB, f"{more} KB more for 24 MB"
    assert grown(big, KEEPING) - grown(small, KEEPING) > MORE_KB


@on_linux
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_gigabyte_is_read_in_two_hundred_megabytes(tmp_path: Path):
    assert grown(large(tmp_path / "g.jsonl", 1_024, 4)) < 200 << 10
