"""What a client kept of what it sent before is found by the model's own words, whatever it changed around them."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.gateway.histories import Past, extends, likeness, offers_alike, past_of
from perdure.wire.bodies.reading import Memo, read_request
from tests.gateway.talking import Json

TOOLS: list[Json] = [{"name": "Read", "input_schema": {"type": "object"}}]


def past(messages: list[Json], **more: object) -> Past:
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS, **more}).encode()
    read = read_request("messages", body, Memo())
    assert read is not None
    return past_of(read, "")


def turn(number: int, words: str) -> list[Json]:
    """What the model said, and what came of its call."""
    use = {"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {"n": number}}
    done = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": f"result {number}"}
    said: list[Json] = [{"type": "text", "text": words}] if words else []
    return [{"role": "assistant", "content": [*said, use]}, {"role": "user", "content": [done]}]


def history(words: list[str]) -> list[Json]:
    return [
        {"role": "user", "content": "go"},
        *(part for n, said in enumerate(words) for part in turn(n, said)),
    ]


WORDS = st.lists(st.sampled_from(["", "ok", "done", "I look."]), min_size=1, max_size=8)


@settings(max_examples=30)
@given(words=WORDS, places=st.lists(st.integers(0, 6), max_size=4), thinks=st.booleans())
def test_results_that_are_cleared_and_thoughts_that_are_dropped_are_no_going_back(
    words: list[str], places: list[int], *, thinks: bool
):
    sent = history(words)
    now = json.loads(json.dumps(sent))
    if thinks:
        for message in sent[1::2]:
            message["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": "s"})
    for place in places:
        if place < len(words) - 1:
            now[2 + 2 * place]["content"][0]["content"] = "[cleared]"
    like = likeness(past(sent), past([*now, {"role": "user", "content": "on"}]))
    assert (like.words, like.lost) == (len(words), 0)
    assert like.at == len(sent)


@settings(max_examples=30)
@given(words=WORDS, more=WORDS, cut=st.integers(0, 8))
def test_a_cut_is_found_where_it_is(words: list[str], more: list[str], cut: int):
    kept = cut % len(words)
    sent = history(words)
    other = [part for n, said in enumerate(more, 100) for part in turn(n, said)]
    like = likeness(
        past(sent), past([*sent[: 1 + 2 * kept], {"role": "user", "content": "otherwise"}, *other])
    )
    assert (like.words, like.lost, like.size) == (kept, len(words) - kept, 1 + 2 * kept)


@settings(max_examples=30)
@given(words=WORDS)
def test_what_goes_on_extends_what_was_sent(words: list[str]):
    sent = history(words)
    assert extends(past(sent), past([*sent, *turn(99, "more")]))
    assert not extends(past([*sent, *turn(99, "more")]), past(sent))


def test_a_loop_is_known_by_its_tools_or_by_its_instructions():
    sent = history(["ok"])
    known = past(sent, system="You work.")
    assert offers_alike(known, past(sent, system="You name things."))
    more = [*TOOLS, {"name": "mcp__late", "input_schema": {"type": "object"}}]
    assert offers_alike(known, past(sent, system="You work.", tools=more))
    assert not offers_alike(known, past(sent, system="You look around.", tools=more))
    assert not offers_alike(known, past(sent, system="You work.", tools=[]))
