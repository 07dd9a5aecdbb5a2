"""Lists of chat messages, in the shapes in which people keep them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.profile.transcripts import kinds, read, written

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "s" * 400},
    {"role": "user", "content": "u" * 80},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "k", "type": "function", "function": {"name": "find", "arguments": '{"user_id": "ada"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "k", "content": "r" * 4_000},
    {"role": "assistant", "content": "a" * 40},
]
"""Four characters to a token: 100 + 20 in the first request, 5 and 1,000 more in the second."""

SHAPES = {
    "list of sessions": json.dumps([{"task_id": 1, "traj": MESSAGES}, {"task_id": 2, "traj": MESSAGES}]),
    "spread over lines": json.dumps([{"messages": MESSAGES}] * 2, indent=2),
    "one to a line": "\n".join([json.dumps({"messages": MESSAGES})] * 2),
    "within an object": json.dumps({"meta": {"n": 2}, "sessions": [{"messages": MESSAGES}] * 2}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_two_sessions(shape: str, tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(SHAPES[shape], encoding="utf-8")
    found = read(path)
    assert len(found) == 2
    for trace in found:
        assert [request.usage.input_tokens for request in trace.requests] == [120, 1_126]
        assert trace.requests[1].usage.output_tokens == 10
        assert kinds(trace, 1) == ["system", "user", "call", "result"]
        assert any("No usage is recorded" in words for words in trace.assumed)


def test_one_list_of_messages_is_one_session(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(MESSAGES), encoding="utf-8")
    (trace,) = read(path)
    assert len(trace.requests) == 2


def test_usage_is_taken_where_a_message_has_it(tmp_path: Path):
    messages = json.loads(json.dumps(MESSAGES))
    details = {"cached_tokens": 1_024}
    messages[2]["usage"] = {"prompt_tokens": 1_500, "completion_tokens": 20, "prompt_tokens_details": details}
    messages[4]["usage"] = {"prompt_tokens": 2_600, "completion_tokens": 11, "prompt_tokens_details": details}
    messages[4]["model"] = "gpt-4o"
    (trace,) = read(written(tmp_path / "a.jsonl", [{"messages": messages}]))
    assert [request.usage.input_tokens for request in trace.requests] == [1_500, 2_600]
    assert [request.usage.cache_read_tokens for request in trace.requests] == [1_024, 1_024]
    assert trace.requests[1].model == "gpt-4o"
    assert trace.segments[0].kind == "schema"
    assert trace.segments[0].tokens == 1_380
