"""OpenAI Chat Completions and Responses: requests and replies."""

import pytest

from perdure.intention.reply import Call, Reply
from perdure.log.events import Usage
from perdure.values.digest import Json
from perdure.wire.chat import from_chat, to_chat
from perdure.wire.prompt import Answered, ModelFailure, Prompt, Said, UserText
from perdure.wire.reading import dict_at, dicts_at
from perdure.wire.responses import from_responses, to_responses
from tests.wire.conversations import TOOL, completion, response

CALLS = [("call_1", '{"n":  1}')]
ENTRIES = (UserText("go"), UserText("now"))
PROMPT = Prompt("be brief", (TOOL,), ENTRIES, {"temperature": 0}, cache_key="lineage-1")


def answered(reply: Reply) -> Prompt:
    return Prompt("", (), (UserText("go"), Said(reply), Answered("call_1", "done")))


def test_a_prompt_becomes_a_chat_request():
    function: Json = {"name": "pay", "description": "Pay it.", "parameters": TOOL.schema}
    assert to_chat(PROMPT) == {
        "temperature": 0,
        "prompt_cache_key": "lineage-1",
        "tools": [{"type": "function", "function": function}],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "go\n\nnow"}],
    }


def test_a_prompt_becomes_a_responses_request_that_leaves_no_state_there():
    tool: Json = {"type": "function", "name": "pay", "description": "Pay it.", "parameters": TOOL.schema}
    assert to_responses(PROMPT) == {
        "store": False,
        "temperature": 0,
        "prompt_cache_key": "lineage-1",
        "instructions": "be brief",
        "tools": [{**dict_at({"tool": tool}, "tool"), "strict": False}],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
            for text in ("go", "now")
        ],
    }


def test_a_long_cache_key_is_shortened_to_what_openai_takes_and_stays_the_same():
    keys = [str(to_chat(Prompt("", cache_key="k" * size))["prompt_cache_key"]) for size in (64, 65, 65, 66)]
    assert keys[0] == "k" * 64
    assert keys[1] == keys[2] != keys[3]
    assert all(len(key) <= 64 for key in keys)


def test_a_completion_becomes_a_reply_and_goes_back_with_its_arguments_byte_for_byte():
    reply = from_chat(completion("I pay.", CALLS))
    assert reply == Reply(
        text="I pay.",
        calls=(Call("call_1", "pay", {"n": 1}),),
        stop="calls",
        blocks=reply.blocks,
        provider="openai-chat",
        usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=7),
    )
    assert dicts_at(to_chat(answered(reply)), "messages")[1] == {
        "role": "assistant",
        "content": "I pay.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": '{"n":  1}'}}
        ],
    }


def test_what_other_servers_add_to_a_message_goes_back_to_them():
    said = completion("", CALLS)
    message = dict_at(dicts_at(said, "choices")[0], "message")
    message["reasoning_content"] = "hm"
    message["audio"] = None
    sent = dicts_at(to_chat(answered(from_chat(said))), "messages")[1]
    assert sent["reasoning_content"] == "hm"
    assert "audio" not in sent
    assert "annotations" not in sent


@pytest.mark.parametrize(
    "words", ['{"n": 1', "[1]", '{"n": NaN}', '{"n": 1, "n": 2}', '{"n": 1e999}', "pay!"]
)
def test_arguments_that_can_not_be_read_are_told_and_go_back_empty(words: str):
    reply = from_chat(completion("", [("call_1", words)]))
    assert reply.calls[0].arguments is None
    assert words in reply.calls[0].unreadable
    sent = dicts_at(dicts_at(to_chat(answered(reply)), "messages")[1], "tool_calls")
    assert dict_at(sent[0], "function") == {"name": "pay", "arguments": "{}"}


def test_no_arguments_at_all_are_an_empty_object():
    assert from_chat(completion("", [("call_1", "")])).calls[0].arguments == {}


def test_a_refusal_is_a_text_with_its_own_stop():
    said = completion("", [])
    dict_at(dicts_at(said, "choices")[0], "message")["refusal"] = "I won't."
    reply = from_chat(said)
    assert (reply.text, reply.stop) == ("I won't.", "refusal")
    part: Json = {"type": "refusal", "refusal": "I won't."}
    reply = from_responses({"status": "completed", "output": [{"type": "message", "content": [part]}]})
    assert (reply.text, reply.stop) == ("I won't.", "refusal")


def test_a_response_becomes_a_reply_and_goes_back_with_its_encrypted_reasoning():
    said = response("I pay.", CALLS)
    reply = from_responses(said)
    assert (reply.text, reply.calls, reply.stop) == ("I pay.", (Call("call_1", "pay", {"n": 1}),), "calls")
    assert reply.usage == Usage(input_tokens=10, output_tokens=5, cache_read_tokens=7)
    items = dicts_at(to_responses(answered(reply)), "input")
    assert items[1:4] == said["output"]
    assert items[4] == {"type": "function_call_output", "call_id": "call_1", "output": "done"}


def test_reasoning_that_only_openai_could_look_up_is_left_out_and_the_rest_rebuilt():
    reply = from_responses(response("I pay.", CALLS, encrypted=None))
    items = dicts_at(to_responses(answered(reply)), "input")
    assert [item["type"] for item in items] == ["message", "message", "function_call", "function_call_output"]
    assert "id" not in items[2]


def test_a_response_that_was_cut_off_says_so():
    incomplete: dict[str, Json] = {
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
    }
    assert from_responses(incomplete).stop == "length"


@pytest.mark.parametrize(("code", "retryable"), [("server_error", True), ("invalid_prompt", False)])
def test_a_response_that_failed_is_a_failure(code: str, retryable: bool):
    with pytest.raises(ModelFailure, match="it broke") as caught:
        from_responses({"status": "failed", "error": {"code": code, "message": "it broke"}})
    assert caught.value.retryable is retryable


def test_a_reply_of_one_provider_is_rebuilt_for_another():
    reply = from_chat(completion("I pay.", [("functions.pay:0", '{"n": 1}')]))
    prompt = Prompt("", (), (UserText("go"), Said(reply), Answered("functions.pay:0", "done")))
    items = dicts_at(to_responses(prompt), "input")
    assert items[2]["arguments"] == '{"n":1}'
    assert items[2]["call_id"] == items[3]["call_id"] != "functions.pay:0"
