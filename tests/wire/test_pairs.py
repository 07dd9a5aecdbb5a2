"""Whatever a conversation holds, each call has exactly one answer in every wire form."""

import json
from itertools import pairwise

from hypothesis import given

from perdure.values.digest import Json
from perdure.wire.chat import to_chat
from perdure.wire.messages import to_anthropic
from perdure.wire.prompt import Answered, Prompt, Said, UserText
from perdure.wire.reading import dicts_at, dicts_in, text_at
from perdure.wire.responses import from_responses, to_responses
from tests.wire.conversations import any_prompts, response, whole_prompts

Block = dict[str, Json]


def sendable(body: Block) -> None:
    """Assert that the strictest of JSON writers takes it."""
    assert json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def of_type(blocks: list[Block], kind: str, name: str) -> list[str]:
    return [text_at(block, name) for block in blocks if block.get("type") == kind]


@given(any_prompts())
def test_anthropic_gets_roles_by_turns_and_results_first_and_in_order(prompt: Prompt):
    body = to_anthropic(prompt)
    sendable(body)
    messages = dicts_at(body, "messages")
    contents = [dicts_at(message, "content") for message in messages]
    assert [text_at(message, "role") for message in messages] == ["user", "assistant"] * (
        len(messages) // 2
    ) + ["user"]
    assert all(contents)
    used: list[str] = []
    for content, following in pairwise([*contents, []]):
        calls = of_type(content, "tool_use", "id")
        assert of_type(following, "tool_result", "tool_use_id") == calls
        kinds = [text_at(block, "type") for block in following]
        assert kinds[: len(calls)] == ["tool_result"] * len(calls)
        used += calls
    assert len(set(used)) == len(used)
    assert all(
        text_at(block, "text").strip() for content in contents for block in content if block["type"] == "text"
    )


@given(any_prompts())
def test_chat_gets_each_call_followed_by_its_tool_message(prompt: Prompt):
    body = to_chat(prompt)
    sendable(body)
    expected: list[str] = []
    used: list[str] = []
    last = ""
    for message in dicts_at(body, "messages"):
        if message["role"] == "tool":
            assert text_at(message, "tool_call_id") == expected.pop(0)
        else:
            assert expected == []
            expected = [text_at(call, "id") for call in dicts_at(message, "tool_calls")]
            used += expected
            assert message["role"] != "user" or last != "user"
        last = text_at(message, "role")
    assert expected == []
    assert last in {"user", "tool"}
    assert len(set(used)) == len(used)


@given(any_prompts())
def test_responses_gets_each_call_and_after_it_one_output(prompt: Prompt):
    body = to_responses(prompt)
    sendable(body)
    items = dicts_at(body, "input")
    calls, outputs = (
        of_type(items, "function_call", "call_id"),
        of_type(items, "function_call_output", "call_id"),
    )
    assert calls == outputs
    assert len(set(calls)) == len(calls)
    open_calls: set[str] = set()
    for item in items:
        if item["type"] == "function_call":
            open_calls.add(text_at(item, "call_id"))
        elif item["type"] == "function_call_output":
            open_calls.remove(text_at(item, "call_id"))
        elif item["type"] == "message" and item["role"] == "user":
            assert not open_calls


def bare(body: Block) -> list[Json]:
    """Return all blocks of all messages with their roles, without the marks of the cache."""
    return [
        [message["role"], {name: value for name, value in block.items() if name != "cache_control"}]
        for message in dicts_at(body, "messages")
        for block in dicts_at(message, "content")
    ]


@given(whole_prompts())
def test_what_was_sent_to_anthropic_is_the_beginning_of_what_is_sent_next(prompts: tuple[Prompt, Prompt]):
    shorter, longer = to_anthropic(prompts[0]), to_anthropic(prompts[1])
    assert longer["tools"] == shorter["tools"]
    assert longer["system"] == shorter["system"]
    sent = bare(shorter)
    assert bare(longer)[: len(sent)] == sent


@given(whole_prompts())
def test_what_was_sent_to_openai_is_the_beginning_of_what_is_sent_next(prompts: tuple[Prompt, Prompt]):
    shorter, longer = (dicts_at(to_chat(prompt), "messages") for prompt in prompts)
    assert longer[: len(shorter) - 1] == shorter[:-1]
    assert text_at(longer[len(shorter) - 1], "content").startswith(text_at(shorter[-1], "content"))
    shorter, longer = (dicts_at(to_responses(prompt), "input") for prompt in prompts)
    assert longer[: len(shorter)] == shorter


@given(whole_prompts())
def test_what_a_provider_said_is_sent_back_to_it_word_for_word(prompts: tuple[Prompt, Prompt]):
    prompt = prompts[1]
    replies = [entry.reply for entry in prompt.entries if isinstance(entry, Said)]
    said = [
        dicts_at(m, "content") for m in dicts_at(to_anthropic(prompt), "messages") if m["role"] == "assistant"
    ]
    for reply, blocks in zip(replies, said, strict=True):
        if reply.provider == "anthropic" and reply.blocks:
            assert blocks == reply.blocks
    items = dicts_at(to_responses(prompt), "input")
    whole = [dicts_in(reply.blocks or []) for reply in replies if reply.provider == "openai"]
    kept = [
        blocks
        for blocks in whole
        if all(text_at(b, "encrypted_content") or b["type"] != "reasoning" for b in blocks)
    ]
    assert [item for item in items if item["type"] == "reasoning"] == [blocks[0] for blocks in kept]


def test_a_call_without_an_answer_gets_one_that_says_so():
    said = Said(from_responses(response("", [("c1", '{"n": 1}')])))
    messages = dicts_at(to_anthropic(Prompt("", (), (UserText("go"), said))), "messages")
    assert messages[-1]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "c1",
            "content": "No result of this call was recorded.",
            "is_error": True,
            "cache_control": {"type": "ephemeral"},
        }
    ]


def test_an_answer_to_no_call_is_told_as_words_and_not_lost():
    entries = (
        UserText("go"),
        Said(from_responses(response("", [("c1", '{"n": 1}')]))),
        Answered("c1", "one"),
        Answered("c1", "two"),
        Answered("zz", "3"),
    )
    messages = dicts_at(to_chat(Prompt("", (), entries)), "messages")
    assert [m["content"] for m in messages[2:]] == ["one", "A result of c1: two\n\nA result of zz: 3"]


def test_a_conversation_without_any_entry_can_be_sent():
    assert dicts_at(to_chat(Prompt("")), "messages") == [{"role": "user", "content": "(begin)"}]
