"""A model is answered behind the client's back: what the client has is whole, and what the provider gets is true."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.hidden import unmerged
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wire.bodies.splicing import splice
from perdure.wire.reading import dict_at, dicts_at, text_at
from tests.wire.streaming.clients import understood
from tests.wire.streaming.driving import Heard, every, in_one, played, shape
from tests.wire.streaming.provider import (
    RECALL,
    Ask,
    Script,
    Thought,
    Words,
    chat_call,
    items,
    message_block,
    spelled,
    streamed,
    whole,
)
from tests.wire.streaming.scripts import replies
from tests.wire.streaming.strict import Shape, objections

APIS: tuple[Api, ...] = ("messages", "chat", "responses")
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
every_api = pytest.mark.parametrize("api", APIS)
few = settings(max_examples=30)
"""The official clients take their time."""


def expected(api: Api, scripts: Sequence[Script]) -> list[Json]:
    """Return what the client has to have, made from the scripts alone: a list of blocks, items, or one message."""
    shown: list[Json] = []
    match api:
        case "messages":
            kinds: list[tuple[bool, int]] = []
            for script in scripts:
                for block in script.blocks:
                    if isinstance(block, Ask) and block.name == RECALL:
                        continue
                    thinks = isinstance(block, Thought)
                    if thinks and kinds and kinds[-1][0] and kinds[-1][1] != script.number:
                        continue
                    kinds.append((thinks, script.number))
                    shown.append(message_block(block))
        case "responses":
            for script in scripts:
                names = [block.name if isinstance(block, Ask) else "" for block in script.blocks]
                led = [
                    name != RECALL and not isinstance(block, Thought)
                    for name, block in zip(names, script.blocks, strict=True)
                ]
                for place, block in enumerate(script.blocks):
                    if names[place] == RECALL or (
                        isinstance(block, Thought) and RECALL in names and not any(led[place:])
                    ):
                        continue
                    shown.append(items(script)[place])
        case "chat":
            texts = [
                "".join(block.text for block in script.blocks if isinstance(block, Words))
                for script in scripts
            ]
            calls: list[Json] = [chat_call(call) for call in scripts[-1].calls if call.name != RECALL]
            shown = ["\n\n".join(text for text in texts if text), calls]
    return shown


def had(api: Api, reply: Shape) -> list[Json]:
    """Return the same out of what a client made of the reply."""
    match api:
        case "messages":
            return [_without_none(block) for block in dicts_at(reply, "content")]
        case "responses":
            return [_without_none(item) for item in dicts_at(reply, "output")]
        case "chat":
            message = dict_at(dicts_at(reply, "choices")[0], "message")
            calls: list[Json] = [
                {**call, "function": _without_none(dict_at(call, "function"))}
                for call in dicts_at(message, "tool_calls")
            ]
            for call in calls:
                assert isinstance(call, dict)
                call.pop("index", None)
            return [text_at(message, "content"), calls]


def _without_none(value: Json) -> Json:
    match value:
        case dict():
            return {name: _without_none(part) for name, part in value.items() if part is not None}
        case list():
            return [_without_none(part) for part in value]
        case _:
            return value


def read(api: Api, heard: Heard, stream: bool) -> Shape:
    return understood(api, heard.told) if stream else shape(heard.told)


@both_ways
@every_api
@few
@given(scripts=replies())
def test_the_client_has_all_rounds_less_what_was_withheld(
    api: Api, stream: bool, scripts: tuple[Script, ...]
):
    heard = played(api, scripts, stream=stream)
    assert heard.relay.stage == "ended"
    assert had(api, read(api, heard, stream)) == expected(api, scripts)
    assert RECALL.encode() not in heard.told
    wanted = [(call.id, call.arguments) for script in scripts for call in script.calls if call.name == RECALL]
    assert [(call.id, json.loads(call.arguments)) for call in heard.asked] == wanted


@every_api
@given(scripts=replies(), size=st.integers(1, 40))
def test_any_chunks_of_the_same_bytes_come_out_the_same(api: Api, scripts: tuple[Script, ...], size: int):
    whole_one = played(api, scripts, stream=True, cut=in_one)
    cut = played(api, scripts, stream=True, cut=every(size))
    assert cut.told == whole_one.told
    assert (cut.hidden, cut.follow_ups, cut.asked) == (
        whole_one.hidden,
        whole_one.follow_ups,
        whole_one.asked,
    )


@both_ways
@every_api
@few
@given(scripts=replies())
def test_a_reply_from_which_nothing_is_withheld_comes_as_it_came(
    api: Api, stream: bool, scripts: tuple[Script, ...]
):
    last = scripts[-1]
    plain = Script(
        tuple(block for block in last.blocks if not (isinstance(block, Ask) and block.name == RECALL))
    )
    heard = played(api, [plain], stream=stream)
    assert heard.told == (streamed if stream else whole)(api, plain)
    assert (heard.hidden, heard.asked, heard.relay.stage) == ((), (), "ended")


# --- histories ------------------------------------------------------------------------------------


def asked_of(api: Api) -> Shape:
    return (
        {"type": "message", "role": "user", "content": "hi"}
        if api == "responses"
        else {"role": "user", "content": "hi"}
    )


def clients_turn(api: Api, scripts: Sequence[Script]) -> list[Json]:
    """Return what the client sends after the reply: results of its own calls, or another question."""
    calls = [call for call in scripts[-1].calls if call.name != RECALL]
    if not calls:
        return [asked_of(api)]
    match api:
        case "messages":
            results: list[Json] = [
                {"type": "tool_result", "tool_use_id": call.id, "content": "ok"} for call in calls
            ]
            return [{"role": "user", "content": results}]
        case "chat":
            return [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in calls]
        case "responses":
            return [{"type": "function_call_output", "call_id": call.id, "output": "ok"} for call in calls]


def kept(api: Api, reply: Shape) -> list[Json]:
    """Return the reply as its client sends it back."""
    match api:
        case "messages":
            return [
                {
                    "role": "assistant",
                    "content": [_without_none(block) for block in dicts_at(reply, "content")],
                }
            ]
        case "responses":
            return [_without_none(item) for item in dicts_at(reply, "output")]
        case "chat":
            message = _without_none(dict_at(dicts_at(reply, "choices")[0], "message"))
            assert isinstance(message, dict)
            return [message]


def bare(api: Api, heard: Heard, stream: bool, scripts: Sequence[Script]) -> list[Json]:
    """Return the history that the client has by itself."""
    return [asked_of(api), *kept(api, read(api, heard, stream)), *clients_turn(api, scripts)]


def body_of(api: Api, history: list[Json]) -> bytes:
    name = "input" if api == "responses" else "messages"
    return spelled({"model": "test", "max_tokens": 10, name: history}).encode()


def split_again(api: Api, heard: Heard, history: list[Json]) -> list[Shape]:
    """Return what goes to the provider in place of the client's history."""
    request = read_request(api, body_of(api, history), Memo())
    assert request is not None
    split = {hidden.merged: hidden.split for hidden in heard.hidden}
    joined = {hidden.merged: hidden.joined for hidden in heard.hidden if hidden.joined is not None}
    body = shape(splice(request.body, unmerged(request, split, joined)))
    return dicts_at(body, "input" if api == "responses" else "messages")


def as_shapes(history: list[Json]) -> list[Shape]:
    return [part for part in history if isinstance(part, dict)]


@both_ways
@every_api
@few
@given(scripts=replies())
def test_without_us_the_clients_own_history_is_valid(api: Api, stream: bool, scripts: tuple[Script, ...]):
    heard = played(api, scripts, stream=stream)
    assert objections(api, as_shapes(bare(api, heard, stream, scripts)), scripts) == []


@both_ways
@every_api
@few
@given(scripts=replies())
def test_with_us_the_provider_gets_every_round_as_it_was(api: Api, stream: bool, scripts: tuple[Script, ...]):
    heard = played(api, scripts, stream=stream)
    history = bare(api, heard, stream, scripts)
    sent = split_again(api, heard, history)
    assert objections(api, sent, scripts) == []
    if heard.asked:
        assert said_in(api, sent) == [_plain(api, script) for script in scripts if _plain(api, script)]
        for call in heard.asked:
            assert f"what {call.id} asked for" in spelled([*sent])


def said_in(api: Api, sent: Sequence[Shape]) -> list[Json]:
    """Return what the model said, round by round, out of a history."""
    match api:
        case "messages":
            return [message["content"] for message in sent if message["role"] == "assistant"]
        case "chat":
            return [
                [text_at(message, "content"), _sorted_calls(message)]
                for message in sent
                if message["role"] == "assistant"
            ]
        case "responses":
            rounds: list[Json] = []
            mine = [item for item in sent if str(item.get("id", "")).count("_") == 2]
            for before, item in pairwise([{}, *mine]):
                same = text_at(before, "id").split("_")[1:2] == text_at(item, "id").split("_")[1:2]
                last = rounds[-1] if rounds else []
                assert isinstance(last, list)
                if same:
                    last.append(item)
                else:
                    rounds.append([item])
            return rounds


def _sorted_calls(message: Shape) -> Json:
    return [
        {"id": call["id"], "type": "function", "function": call["function"]}
        for call in dicts_at(message, "tool_calls")
    ]


def _plain(api: Api, script: Script) -> Json:
    match api:
        case "messages":
            return [message_block(block) for block in script.blocks]
        case "chat":
            texts = "".join(block.text for block in script.blocks if isinstance(block, Words))
            return [texts, [chat_call(call) for call in script.calls]]
        case "responses":
            return items(script)


@both_ways
@every_api
@few
@given(scripts=replies())
def test_every_request_in_between_is_valid_and_goes_on_from_the_one_before(
    api: Api, stream: bool, scripts: tuple[Script, ...]
):
    heard = played(api, scripts, stream=stream)
    before: tuple[bytes, ...] = ()
    for number, follow_up in enumerate(heard.follow_ups, 1):
        assert follow_up.elements[: len(before)] == before
        before = follow_up.elements
        sent = [asked_of(api), *(shape(element) for element in before)]
        assert objections(api, sent, scripts) == []
        assert len(said_in(api, sent)) == number


@both_ways
@every_api
@few
@given(scripts=replies())
def test_the_client_sees_the_usage_of_the_last_round_and_the_ledger_gets_all(
    api: Api, stream: bool, scripts: tuple[Script, ...]
):
    heard = played(api, scripts, stream=stream)
    usage = dict_at(read(api, heard, stream), "usage")
    last = scripts[-1].number
    read_tokens = {
        "messages": usage.get("cache_read_input_tokens"),
        "chat": dict_at(usage, "prompt_tokens_details").get("cached_tokens"),
        "responses": dict_at(usage, "input_tokens_details").get("cached_tokens"),
    }[api]
    assert read_tokens == 1000 * last
    inputs = [usage.input_tokens for usage in heard.relay.usages]
    assert inputs == [1110 * script.number for script in scripts]
    assert [usage.output_tokens for usage in heard.relay.usages] == [script.number for script in scripts]
