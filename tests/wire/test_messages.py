"""Anthropic Messages: requests as its documentation asks for them, and messages as replies."""

from perdure.intention.declaration import Declaration
from perdure.intention.reply import Call, Reply, read_reply, reply_bytes
from perdure.log.events import Usage
from perdure.values.digest import Json
from perdure.wire.messages import from_anthropic, to_anthropic
from perdure.wire.prompt import Answered, Prompt, Said, UserText
from perdure.wire.reading import dicts_at
from tests.wire.conversations import TOOL, message

MARK: Json = {"type": "ephemeral"}
REPLY = from_anthropic(message("I pay.", [("toolu_1", '{"n": 1}')], thinking=True))


def test_a_prompt_becomes_a_request():
    prompt = Prompt("be brief", (TOOL,), (UserText("go"),), {"temperature": 0.5, "max_tokens": 10})
    assert to_anthropic(prompt) == {
        "max_tokens": 10,
        "temperature": 0.5,
        "system": [{"type": "text", "text": "be brief", "cache_control": MARK}],
        "tools": [{"name": "pay", "description": "Pay it.", "input_schema": TOOL.schema}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "go", "cache_control": MARK}]}],
    }


def test_without_instructions_the_mark_of_the_cache_stands_on_the_last_tool():
    body = to_anthropic(Prompt("", (TOOL, Declaration("look")), (UserText("go"),)))
    assert "system" not in body
    assert [tool.get("cache_control") for tool in dicts_at(body, "tools")] == [None, MARK]
    assert dicts_at(body, "tools")[1]["input_schema"] == {"type": "object"}


def test_marks_stand_at_the_end_of_this_prompt_and_of_the_one_before_and_are_at_most_four():
    entries = (
        UserText("one"), Said(REPLY), Answered("toolu_1", "1"), Said(Reply(text="two")), UserText("three"),
        Said(Reply(text="four")), UserText("five"), UserText("six"),
    )  # fmt: skip
    body = to_anthropic(Prompt("be brief", (TOOL,), entries))
    marked = [
        (place, block.get("text", block.get("content")))
        for place, message in enumerate(dicts_at(body, "messages"))
        for block in dicts_at(message, "content")
        if "cache_control" in block
    ]
    assert marked == [(4, "three"), (6, "six")]


def test_results_and_texts_to_the_model_share_one_message():
    entries = (
        UserText("go"),
        Said(REPLY),
        UserText("by the way"),
        Answered("toolu_1", "done", is_error=True),
    )
    last = dicts_at(to_anthropic(Prompt("", (), entries)), "messages")[-1]
    assert last == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done", "is_error": True},
            {"type": "text", "text": "by the way", "cache_control": MARK},
        ],
    }


def test_thinking_goes_back_with_its_signature_and_to_nobody_else():
    own = to_anthropic(Prompt("", (), (UserText("go"), Said(REPLY), Answered("toolu_1", "1"))))
    assert dicts_at(own, "messages")[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "I pay."},
        {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"n": 1}},
    ]
    other = Reply(text=REPLY.text, calls=REPLY.calls, blocks=REPLY.blocks, provider="openai")
    rebuilt = to_anthropic(Prompt("", (), (UserText("go"), Said(other), Answered("toolu_1", "1"))))
    assert dicts_at(rebuilt, "messages")[1]["content"] == [
        {"type": "text", "text": "I pay."},
        {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"n": 1}},
    ]


def test_a_message_becomes_a_reply_that_the_log_keeps():
    assert (
        Reply(
            text="I pay.",
            calls=(Call("toolu_1", "pay", {"n": 1}),),
            stop="calls",
            blocks=REPLY.blocks,
            provider="anthropic",
            usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=7),
        )
        == REPLY
    )
    assert read_reply(reply_bytes(REPLY)) == REPLY


def test_arguments_that_were_cut_off_are_unreadable_and_can_still_be_sent_back():
    cut: dict[str, Json] = {
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "pay", "input": '{"n": 1'}],
        "stop_reason": "max_tokens",
    }
    reply = from_anthropic(cut)
    assert reply.stop == "length"
    assert reply.calls[0].arguments is None
    assert '{"n": 1' in reply.calls[0].unreadable
    body = to_anthropic(
        Prompt("", (), (UserText("go"), Said(reply), Answered("toolu_1", "no", is_error=True)))
    )
    assert dicts_at(body, "messages")[1]["content"] == [
        {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {}}
    ]


def test_a_reply_of_nothing_can_be_sent_back():
    silent = from_anthropic({"content": [{"type": "text", "text": " "}], "stop_reason": "refusal"})
    assert (silent.stop, silent.blocks) == ("refusal", None)
    body = to_anthropic(Prompt("", (), (UserText("go"), Said(silent), UserText("on"))))
    assert dicts_at(body, "messages")[1]["content"] == [{"type": "text", "text": "(no reply)"}]


def test_a_stop_that_we_have_no_word_for_keeps_its_own():
    assert from_anthropic({"content": [], "stop_reason": "pause_turn"}).stop == "pause_turn"


def test_blocks_that_are_no_calls_of_ours_are_kept_word_for_word():
    search: Json = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
    found: Json = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    reply = from_anthropic(
        {"content": [search, found, {"type": "text", "text": "ok"}], "stop_reason": "end_turn"}
    )
    assert reply.calls == ()
    assert reply.blocks == [search, found, {"type": "text", "text": "ok"}]
