"""Models that were never taught tools are held to them by a schema."""

import json

import jsonschema_rs
import pytest
from hypothesis import given

from perdure.intention.declaration import Declaration
from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.constrained import from_constrained, to_constrained
from perdure.wire.prompt import Answered, Prompt, Said, UserText
from perdure.wire.reading import dict_at, dicts_at, text_at
from tests.wire.conversations import any_prompts, completion

PAY = Declaration(
    "pay",
    description="Pay it.",
    schema={
        "type": "object",
        "properties": {"to": {"$ref": "#/$defs/Account"}},
        "required": ["to"],
        "additionalProperties": False,
        "$defs": {
            "Account": {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]}
        },
    },
)
LOOK = Declaration("look", schema={"type": "object", "properties": {"to": {"$ref": "#/$defs/Account"}}, "$defs": {
    "Account": {"type": "integer"}}})  # fmt: skip


def schema_of(prompt: Prompt) -> dict[str, Json]:
    return dict_at(dict_at(dict_at(to_constrained(prompt), "response_format"), "json_schema"), "schema")


def said(content: str, name: str = "chatcmpl-1") -> Reply:
    return from_constrained({"id": name, **completion(content, [])})


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ({"tool": "pay", "arguments": {"to": {"iban": "CH1"}}}, True),
        ({"tool": "look", "arguments": {"to": 3}}, True),
        ({"say": "done"}, True),
        ({"tool": "pay", "arguments": {"to": 3}}, False),
        ({"tool": "look", "arguments": {"to": {"iban": "CH1"}}}, False),
        ({"tool": "steal", "arguments": {}}, False),
        ({"say": "done", "tool": "pay"}, False),
    ],
)
def test_the_schema_lets_through_calls_that_fit_and_words_and_nothing_else(content: Json, good: bool):
    valid = jsonschema_rs.validator_for(schema_of(Prompt("", (PAY, LOOK), (UserText("go"),))))
    assert valid.is_valid(content) is good


def test_where_a_tool_is_required_words_are_not_let_through():
    prompt = Prompt("", (PAY,), (UserText("go"),), {"tool_choice": "required", "temperature": 0})
    assert not jsonschema_rs.validator_for(schema_of(prompt)).is_valid({"say": "done"})
    body = to_constrained(prompt)
    assert "tool_choice" not in body
    assert "tools" not in body
    assert body["temperature"] == 0


def test_the_conversation_is_told_in_the_words_that_replies_are_held_to():
    reply = said('{"tool": "pay", "arguments": {"to": {"iban": "CH1"}}}')
    entries = (
        UserText("go"),
        Said(reply),
        Answered(reply.calls[0].id, "paid"),
        Said(said('{"say": "done"}')),
        UserText("on"),
    )
    messages = dicts_at(to_constrained(Prompt("be brief", (PAY,), entries)), "messages")
    assert text_at(messages[0], "content").startswith("be brief")
    assert "pay: Pay it." in text_at(messages[0], "content")
    assert [text_at(message, "content") for message in messages[1:]] == [
        "go",
        '{"tool":"pay","arguments":{"to":{"iban":"CH1"}}}',
        "Result of pay: paid",
        '{"say":"done"}',
        "on",
    ]


def test_a_call_is_named_after_its_completion_so_that_each_has_its_own_name():
    content = '{"tool": "pay", "arguments": {"to": {"iban": "CH1"}}}'
    first, second = said(content, "chatcmpl-1"), said(content, "chatcmpl-2")
    assert first.calls == (Call(first.calls[0].id, "pay", {"to": {"iban": "CH1"}}),)
    assert first.calls[0].id != second.calls[0].id
    assert first.stop == "calls"


def test_words_are_a_text_and_a_reply_that_was_cut_off_is_an_unreadable_call():
    assert said('{"say": "done"}').text == "done"
    cut = completion('{"tool": "pay", "argu', [])
    dicts_at(cut, "choices")[0]["finish_reason"] = "length"
    reply = from_constrained(cut)
    assert reply.stop == "length"
    assert reply.calls[0].arguments is None
    assert '"argu' in reply.calls[0].unreadable


@given(any_prompts())
def test_any_conversation_can_be_told(prompt: Prompt):
    body = to_constrained(prompt)
    assert json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    roles = [message["role"] for message in dicts_at(body, "messages") if message["role"] != "system"]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
