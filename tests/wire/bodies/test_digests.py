"""What a provider's cache sees no difference in has one digest; everything else has another."""

import copy
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.digests import BILLED, cache_digest, message_digest, system_digest
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo
from tests.wire.bodies.clients import CHAT_AGENT, CLAUDE_CODE, CODEX
from tests.wire.bodies.sending import (
    APIS,
    Spoke,
    body_of,
    conversations,
    items_of,
    read,
    said_chat,
    said_items,
    said_message,
)
from tests.wire.bodies.spelling import randoms, spelled

CLIENTS: dict[Api, dict[str, Json]] = {"messages": CLAUDE_CODE, "chat": CHAT_AGENT, "responses": CODEX}
MARK: Json = {"type": "ephemeral", "ttl": "1h"}


def blocks_of(value: Json) -> list[dict[str, Json]]:
    """Return the blocks of a message on which a client may put a mark."""
    if not isinstance(value, dict) or not isinstance(content := value.get("content"), list):
        return []
    blocks = [block for block in content if isinstance(block, dict)]
    return blocks + [inner for block in blocks for inner in blocks_of(block)]


def flipped(message: Json, random: Random) -> Json:
    """Return the message with its texts in the other shape, wherever it has two."""
    message = copy.deepcopy(message)
    for part in [message, *blocks_of(message)]:
        if not isinstance(part, dict) or "content" not in part:
            continue
        content = part["content"]
        if isinstance(content, str):
            blocks: list[Json] = [{"type": "text", "text": content}]
            part["content"] = blocks
        elif isinstance(content, list) and len(content) == 1 and random.random() < 0.7:
            only = content[0]
            if isinstance(only, dict) and only.keys() == {"type", "text"}:
                part["content"] = only["text"]
    return message


Path = tuple[str | int, ...]


def leaves(value: Json, path: Path = ()) -> list[Path]:
    """Return the way to every text in ``value``, marks apart."""
    match value:
        case str():
            return [path]
        case list():
            return [leaf for place, part in enumerate(value) for leaf in leaves(part, (*path, place))]
        case dict():
            names = [name for name in value if name not in {"cache_control", "type"}]
            return [leaf for name in names for leaf in leaves(value[name], (*path, name))]
        case _:
            return []


def changed(value: Json, path: Path, more: str) -> Json:
    """Return ``value`` with ``more`` at the end of the text that ``path`` leads to."""
    if isinstance(value, dict):
        return {
            name: changed(part, path[1:], more) if name == path[0] else part for name, part in value.items()
        }
    if isinstance(value, list):
        return [
            changed(part, path[1:], more) if place == path[0] else part for place, part in enumerate(value)
        ]
    return f"{value}{more}"


@given(st.sampled_from(["messages", "chat"]), conversations(least=1), randoms)
def test_a_mark_that_moves_a_shape_that_flips_and_names_in_another_order_are_no_difference(
    api: Api, turns: list[Spoke], random: Random
):
    body = body_of(api, turns)
    before = read(api, spelled(body, random)).digests
    items = items_of(api, body)
    for place, item in enumerate(items):
        items[place] = flipped(item, random)
        for block in blocks_of(items[place]):
            if random.random() < 0.5:
                block["cache_control"] = MARK
    assert read(api, spelled(body, random, shuffled=True)).digests == before


@given(conversations(least=1), randoms)
def test_names_in_another_order_are_no_difference_to_responses(turns: list[Spoke], random: Random):
    body = body_of("responses", turns)
    before = read("responses", spelled(body, random)).digests
    assert read("responses", spelled(body, random, shuffled=True)).digests == before


@given(st.sampled_from(APIS), st.data())
def test_any_other_text_is_a_difference_in_its_own_item_alone(api: Api, data: st.DataObject):
    body = copy.deepcopy(CLIENTS[api])
    items = items_of(api, body)
    before = read(api, body, Memo()).digests
    place = data.draw(st.integers(0, len(items) - 1))
    path = data.draw(st.sampled_from(leaves(items[place])))
    items[place] = changed(items[place], path, data.draw(st.text(min_size=1, max_size=5)))
    after = read(api, body, Memo()).digests
    assert [at for at, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1] == [place]


def test_a_mark_in_the_arguments_of_a_call_is_what_the_model_said():
    digests: set[tuple[str, ...]] = set()
    arguments: list[dict[str, Json]] = [{"cache_control": "a"}, {}]
    for given_arguments in arguments:
        call: Json = {"type": "tool_use", "id": "a", "name": "x", "input": given_arguments}
        message: Json = {"role": "assistant", "content": [call]}
        digests.add(read("messages", {"messages": [message]}).digests)
    assert len(digests) == 2


def test_unknown_fields_and_the_order_of_blocks_count():
    message: dict[str, Json] = {
        "role": "user",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    }
    turned: Json = {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "a"}]}
    assert len({cache_digest(each) for each in (message, turned, {**message, "new_in_2027": None})}) == 3


def test_the_header_that_claude_code_writes_anew_is_no_part_of_the_instructions():
    rules: Json = {"type": "text", "text": "be brief"}
    billed: list[Json] = [{"type": "text", "text": f"{BILLED} cch={number};"} for number in range(2)]
    assert system_digest([billed[0], rules]) == system_digest([billed[1], rules]) == system_digest("be brief")
    assert system_digest(f"{BILLED} a\nbe brief") != system_digest(f"{BILLED} b\nbe rude")


@pytest.mark.parametrize("api", APIS)
def test_a_reply_is_known_again_by_its_words_and_calls(api: Api):
    turns = [Spoke("go", "I look.", (), thought="hm")]
    said: dict[Api, Json] = {
        "messages": said_message(turns[0]),
        "chat": said_chat(turns[0]),
        "responses": said_items(turns[0]),
    }
    bare: dict[Api, Json] = {
        "messages": {"role": "assistant", "content": " I look.\n"},
        "chat": {"role": "assistant", "content": [{"type": "text", "text": "I look. "}], "tool_calls": []},
        "responses": [{"role": "assistant", "content": "I look."}],
    }
    assert message_digest(api, said[api]) == message_digest(api, bare[api]) != ""


@given(st.sampled_from(APIS), conversations(least=2))
def test_two_replies_with_other_words_or_calls_are_two(api: Api, turns: list[Spoke]):
    first, second = turns[:2]
    assume("".join(first.text.split()) != "".join(second.text.split()) or first.did or second.did)
    names = {
        message_digest(
            api,
            said_message(turn)
            if api == "messages"
            else said_chat(turn)
            if api == "chat"
            else said_items(turn),
        )
        for turn in (first, second)
    }
    assert len(names) == 2


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("value", [None, [], {}, "a", [None, 3], {"role": "assistant", "content": None}])
def test_what_says_nothing_has_no_name(api: Api, value: Json):
    assert message_digest(api, value) == ""
