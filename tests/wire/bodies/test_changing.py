"""What is changed keeps its shape, and what stands around it stays byte for byte."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json
from perdure.wire.bodies.changing import result_replaced, schema_stubbed, text_added, tool_added
from perdure.wire.bodies.following import followed_up
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wire.bodies.splicing import splice
from tests.wire.bodies.clients import CHAT_AGENT, CLAUDE_CODE, CODEX
from tests.wire.bodies.sending import APIS, Did, Spoke, body_of, conversations, items_of, read, tools_of
from tests.wire.bodies.spelling import randoms, spelled, texts

CLIENTS: dict[Api, dict[str, Json]] = {"messages": CLAUDE_CODE, "chat": CHAT_AGENT, "responses": CODEX}
RECALL = Declaration(
    "perdure_recall",
    description="Get a page.",
    schema={"type": "object", "properties": {"page": {"type": "string"}}},
)


@given(st.sampled_from(APIS), conversations(least=1), texts, randoms, st.data())
def test_a_result_that_is_replaced_says_something_else_and_all_else_is_the_same(
    api: Api, turns: list[Spoke], shown: str, random: Random, data: st.DataObject
):
    turns = [*turns, Spoke("on", "", (Did("last", "Read", {}, data.draw(texts)),))]
    body = spelled(body_of(api, turns), random)
    request = read(api, body)
    chosen = data.draw(st.sets(st.sampled_from(range(len(request.results))), min_size=1))
    edits = [result_replaced(request, request.results[place], shown) for place in chosen]
    made = splice(body, edits)
    again = read(api, made)
    assert made[: request.results[min(chosen)].span.start] == body[: request.results[min(chosen)].span.start]
    assert made.endswith(body[request.results[max(chosen)].span.end :])
    touched = {request.results[place].place for place in chosen}
    assert all(
        before.digest == after.digest
        for place, (before, after) in enumerate(zip(request.items, again.items, strict=True))
        if place not in touched
    )
    for place, (before, after) in enumerate(zip(request.results, again.results, strict=True)):
        assert again.text(after) == (shown if place in chosen else request.text(before))
        assert (after.call, after.made, after.shape) == (before.call, before.made, before.shape)


def test_the_clients_mark_on_a_result_stays():
    request = read("messages", CLAUDE_CODE)
    made = splice(request.body, [result_replaced(request, request.results[1], "gone")])
    block = json.loads(made)["messages"][2]["content"][1]
    assert block == {
        "type": "tool_result",
        "tool_use_id": "toolu_2",
        "is_error": True,
        "content": [{"type": "text", "text": "gone", "cache_control": {"type": "ephemeral"}}],
    }


@pytest.mark.parametrize("api", APIS)
def test_the_recall_tool_follows_the_clients_own(api: Api):
    request = read(api, CLIENTS[api])
    edit = tool_added(request, RECALL)
    assert edit is not None
    made = splice(request.body, [edit])
    expected = json.loads(request.body)
    offered: dict[Api, Json] = {
        "messages": {"name": RECALL.name, "description": RECALL.description, "input_schema": RECALL.schema},
        "chat": {
            "type": "function",
            "function": {"name": RECALL.name, "description": RECALL.description, "parameters": RECALL.schema},
        },
        "responses": {
            "type": "function",
            "name": RECALL.name,
            "description": RECALL.description,
            "parameters": RECALL.schema,
            "strict": False,
        },
    }
    expected["tools"].append(offered[api])
    assert json.loads(made) == expected
    assert tool_added(read(api, made), RECALL) is None


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": []},
        {"tools": None},
        {"tools": "none", "tool_choice": "auto"},
    ],
)
def test_no_tool_is_added_where_there_is_none(api: Api, fields: dict[str, Json]):
    assert tool_added(read(api, body_of(api, [], **fields)), RECALL) is None


@pytest.mark.parametrize(
    ("api", "choice", "free"),
    [
        ("messages", {"type": "auto"}, True),
        ("messages", {"type": "auto", "disable_parallel_tool_use": True}, True),
        ("messages", {"type": "any"}, False),
        ("messages", {"type": "tool", "name": "read"}, False),
        ("messages", {"type": "none"}, False),
        ("chat", "auto", True),
        ("chat", "required", False),
        ("chat", "none", False),
        ("chat", {"type": "function", "function": {"name": "read"}}, False),
        ("responses", {"type": "allowed_tools", "mode": "auto", "tools": []}, True),
        ("responses", {"type": "allowed_tools", "mode": "required", "tools": []}, False),
        ("responses", None, True),
    ],
)
def test_no_tool_is_added_where_the_model_has_no_choice(api: Api, choice: Json, free: bool):
    request = read(api, body_of(api, [], tools=tools_of(api, "read"), tool_choice=choice))
    assert (tool_added(request, RECALL) is not None) == free


@given(st.sampled_from(APIS), randoms)
def test_a_stub_keeps_the_tools_name_and_takes_any_arguments(api: Api, random: Random):
    raw = spelled(body_of(api, [], tools=tools_of(api, "read", "write")), random)
    request = read(api, raw)
    made = splice(raw, schema_stubbed(request, request.tools[1]))
    again = read(api, made)
    assert [tool.name for tool in again.tools] == ["read", "write"]
    assert again.tools[0] == request.tools[0]
    assert again.tools[1].size < request.tools[1].size / 2
    offered = json.loads(made)["tools"][1]
    core = offered["function"] if api == "chat" else offered
    assert core["input_schema" if api == "messages" else "parameters"] == {"type": "object"}
    assert core["description"].startswith("Read a file.")
    assert json.loads(made)["tools"][0] == json.loads(raw)["tools"][0]


def test_tools_that_are_strict_deferred_short_or_the_providers_own_stay_whole():
    strict = read("chat", body_of("chat", [], tools=tools_of("chat", "read", strict=True)))
    assert schema_stubbed(strict, strict.tools[0]) == ()
    claude = read("messages", CLAUDE_CODE)
    assert [bool(schema_stubbed(claude, tool)) for tool in claude.tools] == [True, True, False, False, False]


@given(st.sampled_from(APIS), conversations(), texts, randoms)
def test_text_is_added_to_what_a_person_said_last(api: Api, turns: list[Spoke], text: str, random: Random):
    body = body_of(api, turns)
    asked: Json = random.choice(["sum it up", [{"type": "text", "text": "sum it up"}]])
    last: Json = {"role": "user", "content": asked}
    items_of(api, body).append(last)
    raw = spelled(body, random)
    request = read(api, raw)
    edit = text_added(request, text)
    assert edit is not None
    again = read(api, splice(raw, [edit]))
    assert again.digests[:-1] == request.digests[:-1]
    message = json.loads(again.body[slice(*again.items[-1].span)])
    if isinstance(asked, str):
        assert message == {"role": "user", "content": f"sum it up\n\n{text}"}
    else:
        kind = "input_text" if api == "responses" else "text"
        assert message == {"role": "user", "content": [*asked, {"type": kind, "text": text}]}


def test_text_follows_results_as_a_message_of_its_own_and_never_the_models_words():
    did = (Did("a", "Read", {}, "x"),)
    for api in APIS:
        request = read(api, body_of(api, [Spoke("go", "", did)]))
        edit = text_added(request, "index")
        assert edit is not None
        again = read(api, splice(request.body, [edit]))
        assert [again.text(result) for result in again.results] == ["x"]
        assert again.items[-1].role == "user"
    said = body_of("chat", [Spoke("go", "said", ())])
    assert text_added(read("chat", said), "index") is None
    assert text_added(read("chat", {"messages": []}), "index") is None
    compacted = read_request(
        "compact", json.dumps(body_of("responses", [Spoke("go", "said", ())])).encode(), Memo()
    )
    assert compacted is not None
    edit = text_added(compacted, "index")
    assert edit is not None
    assert json.loads(splice(compacted.body, [edit]))["input"][-1] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "index"}],
    }


def test_text_is_added_to_an_input_that_is_one_text():
    request = read("responses", {"input": 'sum "it" up', "model": "m"})
    edit = text_added(request, 'the "index"\n')
    assert edit is not None
    made = json.loads(splice(request.body, [edit]))
    assert made == {"input": 'sum "it" up\n\nthe "index"\n', "model": "m"}


@given(st.sampled_from(APIS), conversations(), st.lists(texts, min_size=1, max_size=3), randoms)
def test_what_follows_up_stands_behind_all_else(
    api: Api, turns: list[Spoke], said: list[str], random: Random
):
    raw = spelled(body_of(api, turns, tools=tools_of(api, "read")), random)
    request = read(api, raw)
    first = [result_replaced(request, result, "gone") for result in request.results]
    elements = [json.dumps({"role": "user", "content": text}).encode() for text in said]
    made = splice(raw, followed_up(request, first, elements))
    expected = json.loads(splice(raw, first))
    items_of(api, expected).extend(json.loads(element) for element in elements)
    assert json.loads(made) == expected


def test_what_the_provider_holds_is_not_sent_again():
    request = read("responses", {"model": "m", "input": "go", "previous_response_id": "resp_1"})
    added = text_added(request, "index")
    assert added is not None
    element = b'{"type":"function_call_output","call_id":"a","output":"x"}'
    made = splice(request.body, followed_up(request, [added], [element], held=True, previous="resp_2"))
    assert json.loads(made) == {
        "model": "m",
        "input": [json.loads(element)],
        "previous_response_id": "resp_2",
    }
    bare = read("responses", {})
    made = splice(bare.body, followed_up(bare, [], [element], held=True))
    assert json.loads(made) == {"input": [json.loads(element)]}
    named = splice(request.body, followed_up(request, [added], [element]))
    assert json.loads(named)["input"] == [{"role": "user", "content": "go\n\nindex"}, json.loads(element)]
