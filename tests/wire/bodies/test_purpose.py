"""A compaction is recognised, a session is named, a side call is told from the conversation."""

import json

import pytest

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api, Endpoint, Purpose
from perdure.wire.bodies.purpose import compacts, session_of
from perdure.wire.bodies.reading import Memo, read_request
from tests.wire.bodies.clients import CHAT_AGENT, CLAUDE_CODE, CODEX
from tests.wire.bodies.sending import items_of, read

CLIENTS: dict[Api, dict[str, Json]] = {"messages": CLAUDE_CODE, "chat": CHAT_AGENT, "responses": CODEX}
ASKED = [
    "CRITICAL: text only.\n\nYour task is to create a detailed summary of the conversation so far, please.",
    "Your task is to create a detailed summary of this conversation. It will stand at the start.",
    "You are performing a CONTEXT CHECKPOINT COMPACTION. Hand over.",
    "</conversation>\nCreate a new anchored summary from the above.",
    "Provide a detailed prompt for continuing our conversation above.",
    "First, reason in your scratchpad. Then, generate the <state_snapshot>.",
    "Create a structured context checkpoint summary for another one.",
]


def purpose(endpoint: Endpoint, body: dict[str, Json]) -> Purpose:
    request = read_request(endpoint, json.dumps(body).encode(), Memo())
    assert request is not None
    return request.purpose


def with_last(body: dict[str, Json], api: Api, message: Json) -> dict[str, Json]:
    name = "input" if api == "responses" else "messages"
    return {**body, name: [*items_of(api, body), message]}


@pytest.mark.parametrize("words", ASKED)
def test_what_clients_ask_for_when_they_compact_is_a_compaction(words: str):
    for api, body in CLIENTS.items():
        plain: Json = {"role": "user", "content": words}
        parts: Json = {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": "text", "text": words}],
        }
        reminded: Json = {"role": "system", "content": "be quick"}
        assert purpose(api, with_last(body, api, plain)) == "compaction"
        assert purpose(api, with_last(body, api, parts)) == "compaction"
        assert purpose(api, with_last(with_last(body, api, plain), api, reminded)) == "compaction"
        answered: Json = {"role": "assistant", "content": "the summary"}
        assert purpose(api, with_last(with_last(body, api, plain), api, answered)) == "main"


def test_instructions_alone_make_a_compaction():
    system: Json = [
        {"type": "text", "text": "You are a helpful AI assistant tasked with summarizing conversations."}
    ]
    assert (
        purpose("messages", {"system": system, "messages": [{"role": "user", "content": "go"}]})
        == "compaction"
    )


@pytest.mark.parametrize(
    "words",
    [
        "Summarize the conversation.",
        "Write a function that compacts a log.",
        "",
        "Create a detailed summary of a.py.",
    ],
)
def test_what_a_person_asks_for_is_none(words: str):
    assert not compacts(words)


def test_such_words_are_found_at_either_end_of_a_long_text_only():
    assert compacts(f"{ASKED[0]}{'x' * 100_000}")
    assert compacts(f"{'x' * 100_000}{ASKED[0]}")
    assert not compacts(f"{'x' * 50_000}{ASKED[0]}{'x' * 50_000}")


def test_words_of_a_compaction_in_a_result_are_no_compaction():
    result: Json = {"type": "tool_result", "tool_use_id": "toolu_5", "content": ASKED[0]}
    body = with_last(CLAUDE_CODE, "messages", {"role": "user", "content": [result]})
    assert purpose("messages", body) == "main"


def test_counting_and_compacting_are_known_by_their_path():
    assert purpose("count_tokens", CLAUDE_CODE) == "count"
    assert purpose("compact", CODEX) == "compaction"


def test_a_call_that_offers_nothing_and_holds_no_results_is_a_side_call():
    asked: Json = [{"role": "user", "content": "a title for this"}]
    assert purpose("messages", {"messages": asked}) == "side"
    assert purpose("chat", {"messages": asked, "tools": []}) == "side"
    assert (
        purpose("messages", CLAUDE_CODE)
        == purpose("chat", CHAT_AGENT)
        == purpose("responses", CODEX)
        == "main"
    )
    bare = {name: value for name, value in CODEX.items() if name != "tools"}
    assert purpose("responses", bare) == "main"


@pytest.mark.parametrize(
    ("user", "session"),
    [
        (
            "user_ab12_account__session_0b5c9d3e-1111-4222-8333-944445555666",
            "0b5c9d3e-1111-4222-8333-944445555666",
        ),
        ('{"device_id":"d","account_uuid":"a","session_id":"s-1"}', "s-1"),
        ('{"session_id":3}', ""),
        ("{broken", ""),
        ("someone@example.com", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_claude_code_names_its_session_in_one_of_two_ways(user: Json, session: str):
    assert session_of("messages", {"user_id": user}, None, None) == session


@pytest.mark.parametrize(
    ("key", "conversation", "session"),
    [
        ("k", None, "k"),
        ("", "conv_1", "conv_1"),
        (None, {"id": "conv_2"}, "conv_2"),
        (3, [], ""),
        (None, None, ""),
    ],
)
def test_openai_clients_name_theirs_by_cache_key_or_conversation(key: Json, conversation: Json, session: str):
    assert session_of("responses", None, key, conversation) == session


def test_a_session_in_a_body_of_wrong_types_is_none():
    assert read("messages", {"metadata": [3], "messages": []}).session == ""
