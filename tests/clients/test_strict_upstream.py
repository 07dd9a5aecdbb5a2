"""The strict provider lets a faithful client through, and catches each way in which a gateway can spoil a request."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from perdure.testing.upstream.caching import MarkedCache, PrefixCache
from perdure.testing.upstream.extending import breaks, units_of
from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.narrator import Narrator
from perdure.testing.upstream.plots import PLOTS, used_in
from perdure.testing.upstream.provider import Provider
from perdure.testing.upstream.question import Api, unit_of
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tap import Passed
from tests.clients.checks import unlike
from tests.clients.talker import HEADERS, PATHS, SHELL, Refused, Talker

APIS: tuple[Api, ...] = ("messages", "chat", "responses")
Spoil = Callable[[dict[str, Any]], None]


def provider(plot: str = "hunt") -> tuple[Provider, Ledgers]:
    ledgers, signet = Ledgers("seed"), Signet("seed")
    return Provider(Narrator(PLOTS[plot], ledgers, signet), signet), ledgers


def talker(api: Api, spoil: Spoil | None = None, plot: str = "hunt") -> tuple[Talker, Provider]:
    """Return a client behind a gateway that spoils what it forwards."""
    asked, ledgers = provider(plot)

    def ask(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if spoil is not None:
            shape = json.loads(body)
            spoil(shape)
            body = json.dumps(shape).encode()
        given = asked.ask(path, HEADERS, body, 0.0)
        return given.status, json.loads(given.whole)

    return Talker(api, ask, ledgers), asked


@pytest.mark.parametrize("api", APIS)
def test_a_faithful_client_goes_through_to_the_end_with_every_token(api):
    client, asked = talker(api)
    assert client.say("Begin.") == "Step 9 is done. That was the last one."
    assert client.answers == [client.ledgers.token(file) for file in used_in(PLOTS["hunt"])]
    assert {record.way for record in asked.recorded} == {"", "seen"}
    units = [units_of(asked.recorded[0].api or "chat", record.body) for record in asked.recorded]
    assert breaks(units, units, range(len(units)), set()) == []


@pytest.mark.parametrize("api", APIS)
def test_a_prompt_that_grows_is_read_from_the_cache_and_the_bill_adds_up(api):
    client, asked = talker(api)
    client.say("Begin.")
    metered = [record.metered for record in asked.recorded]
    wholes = [each.whole for each in metered if each is not None]
    assert wholes == sorted(wholes)
    assert metered[-1] is not None
    assert metered[-1].read > 0.9 * metered[-1].whole


# -- what a broken gateway does, and what the provider says to it -------------------------------------


def _blocks(shape: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    contents = [m["content"] for m in shape["messages"] if isinstance(m["content"], list)]
    return [block for content in contents for block in content if block["type"] == kind]


def signature_dropped(shape: dict[str, Any]) -> None:
    for block in _blocks(shape, "thinking"):
        del block["signature"]


def thought_edited(shape: dict[str, Any]) -> None:
    for block in _blocks(shape, "thinking"):
        block["thinking"] += " "


def signature_of_another(shape: dict[str, Any]) -> None:
    for block in _blocks(shape, "thinking"):
        block["signature"] = Signet("other").sign(block["thinking"])


def thought_dropped(shape: dict[str, Any]) -> None:
    for message in shape["messages"]:
        if message["role"] == "assistant":
            message["content"] = [block for block in message["content"] if block["type"] != "thinking"]


def result_dropped(shape: dict[str, Any]) -> None:
    if len(shape["messages"]) > 2:
        shape["messages"][2]["content"] = [{"type": "text", "text": "gone"}]


def call_dropped(shape: dict[str, Any]) -> None:
    for message in shape["messages"]:
        if message["role"] == "assistant":
            message["content"] = [{"type": "text", "text": "gone"}]


def result_twice(shape: dict[str, Any]) -> None:
    if len(shape["messages"]) > 2:
        shape["messages"][2]["content"] *= 2


def call_twice(shape: dict[str, Any]) -> None:
    for block in _blocks(shape, "tool_use"):
        block["id"] = "toolu_same"
    for block in _blocks(shape, "tool_result"):
        block["tool_use_id"] = "toolu_same"


def word_before_result(shape: dict[str, Any]) -> None:
    if len(shape["messages"]) > 2:
        shape["messages"][2]["content"].insert(0, {"type": "text", "text": "[3 pages left]"})


def input_as_text(shape: dict[str, Any]) -> None:
    for block in _blocks(shape, "tool_use"):
        block["input"] = json.dumps(block["input"])


def fifth_mark(shape: dict[str, Any]) -> None:
    shape["tools"] = [
        {"name": f"t{n}", "input_schema": SHELL, "cache_control": {"type": "ephemeral"}} for n in range(4)
    ] + shape["tools"]


def unknown_mark(shape: dict[str, Any]) -> None:
    shape["tools"][0]["cache_control"] = {"type": "forever"}


def tool_twice(shape: dict[str, Any]) -> None:
    shape["tools"] *= 2


def role_of_our_own(shape: dict[str, Any]) -> None:
    shape["messages"][0]["role"] = "perdure"


def field_of_our_own(shape: dict[str, Any]) -> None:
    shape["perdure"] = True


MESSAGES = {
    signature_dropped: "thinking.signature: Field required",
    thought_edited: "Invalid `signature` in `thinking` block",
    signature_of_another: "Invalid `signature` in `thinking` block",
    thought_dropped: "Expected `thinking` or `redacted_thinking`",
    result_dropped: "`tool_use` ids were found without `tool_result` blocks",
    call_dropped: "unexpected `tool_use_id` found in `tool_result` blocks",
    result_twice: "Found multiple `tool_result` blocks",
    call_twice: "`tool_use` ids must be unique",
    word_before_result: "`tool_use` ids were found without `tool_result` blocks",
    input_as_text: "tool_use.input: Input should be a valid dictionary",
    fifth_mark: "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    unknown_mark: "does not match 'ephemeral'",
    tool_twice: "Tool names must be unique",
    role_of_our_own: "Input should be 'user' or 'assistant'",
    field_of_our_own: "Extra inputs are not permitted",
}


@pytest.mark.parametrize("spoil", MESSAGES, ids=lambda spoil: spoil.__name__)
def test_a_gateway_that_spoils_a_request_to_messages_is_caught(spoil):
    client, asked = talker("messages", spoil)
    with pytest.raises(Refused):
        client.say("Begin.")
    assert MESSAGES[spoil] in asked.recorded[-1].error
    assert asked.recorded[-1].status == 400


def chat_result_dropped(shape: dict[str, Any]) -> None:
    shape["messages"] = [message for message in shape["messages"] if message["role"] != "tool"]


def chat_call_dropped(shape: dict[str, Any]) -> None:
    for message in shape["messages"]:
        if message.pop("tool_calls", None):
            message["content"] = "gone"


def chat_result_moved(shape: dict[str, Any]) -> None:
    tools = [message for message in shape["messages"] if message["role"] == "tool"]
    shape["messages"] = [m for m in shape["messages"] if m["role"] != "tool"] + tools


def chat_arguments_parsed(shape: dict[str, Any]) -> None:
    for message in shape["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])


CHAT = {
    chat_result_dropped: "did not have response messages",
    chat_call_dropped: "must be a response to a preceeding message",
    chat_result_moved: "did not have response messages",
    chat_arguments_parsed: "expected a string",
    role_of_our_own: "Supported values are",
    field_of_our_own: "Unknown parameter",
}


@pytest.mark.parametrize("spoil", CHAT, ids=lambda spoil: spoil.__name__)
def test_a_gateway_that_spoils_a_request_to_chat_is_caught(spoil):
    client, asked = talker("chat", spoil)
    with pytest.raises(Refused):
        client.say("Begin.")
    assert CHAT[spoil] in asked.recorded[-1].error


def items_of(shape: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [item for item in shape["input"] if item.get("type") == kind]


def reasoning_altered(shape: dict[str, Any]) -> None:
    for item in items_of(shape, "reasoning"):
        sealed = item["encrypted_content"]
        item["encrypted_content"] = sealed[:-4] + ("AAA=" if not sealed.endswith("AAA=") else "BBB=")


def output_dropped(shape: dict[str, Any]) -> None:
    shape["input"] = [item for item in shape["input"] if item.get("type") != "function_call_output"]


def items_call_dropped(shape: dict[str, Any]) -> None:
    shape["input"] = [item for item in shape["input"] if item.get("type") != "function_call"]


def items_twice(shape: dict[str, Any]) -> None:
    shape["input"] += items_of(shape, "reasoning")


def id_of_our_own(shape: dict[str, Any]) -> None:
    for item in items_of(shape, "function_call"):
        item["id"] = "perdure_1"


def response_unknown(shape: dict[str, Any]) -> None:
    shape["previous_response_id"] = "resp_of_ours"


RESPONSES = {
    reasoning_altered: "could not be verified",
    output_dropped: "No tool output found for function call",
    items_call_dropped: "No tool call found for function call output",
    items_twice: "Duplicate item found with id rs_",
    id_of_our_own: "Expected an ID that begins with 'fc'",
    response_unknown: "Previous response with id 'resp_of_ours' not found.",
    field_of_our_own: "Unknown parameter",
}


@pytest.mark.parametrize("spoil", RESPONSES, ids=lambda spoil: spoil.__name__)
def test_a_gateway_that_spoils_a_request_to_responses_is_caught(spoil):
    client, asked = talker("responses", spoil)
    with pytest.raises(Refused):
        client.say("Begin.")
    assert RESPONSES[spoil] in asked.recorded[-1].error


def results_lost(shape: dict[str, Any]) -> None:
    """Evict without a way back: what an eager proxy does."""
    for message in shape["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_result" and len(block["content"]) > 1000:
                block["content"] = "[output cleared]"


def test_a_gateway_that_loses_a_result_stops_the_run():
    client, asked = talker("messages", results_lost)
    assert client.say("Begin.") == "The token of ledger-1.txt is lost."
    assert [record.way for record in asked.recorded][-2:] == ["fetching", "lost"]


# -- bytes and prefixes ------------------------------------------------------------------------------


def test_a_gateway_that_spells_json_anew_is_seen_in_the_bytes():
    client, asked = talker("chat", lambda shape: None)
    client.ledgers = Ledgers("other")
    client.say("Zürich")
    kept = [Passed(PATHS["chat"], HEADERS, body) for body in client.bodies]
    assert unlike(kept, asked.recorded) == []
    respelled = [
        replace(each, body=json.dumps(json.loads(each.body), ensure_ascii=False).encode()) for each in kept
    ]
    assert len(unlike(respelled, asked.recorded)) == 2 * len(kept)


@pytest.mark.parametrize("api", APIS)
def test_a_gateway_that_rewrites_what_was_sent_before_is_seen_in_the_prefix(api):
    client, asked = talker(api)
    client.say("Begin.")
    sent = [units_of(api, record.body) for record in asked.recorded]
    spoiled = [[*units] for units in sent]
    place = next(place for place, unit in enumerate(sent[-1]) if "row 0007" in unit)
    for units in spoiled[4:]:
        units[place] = units[place].replace("row 0007", "row 7")
    found = breaks(spoiled, sent, range(len(sent)), set())
    assert [(each.number, each.place, each.cause) for each in found] == [(4, place, "")]


def test_a_stub_of_a_page_that_the_log_evicted_is_a_move_and_any_other_is_not():
    client, asked = talker("messages")
    client.say("Begin.")
    sent = [units_of("messages", record.body) for record in asked.recorded]
    moved = [[*units] for units in sent]
    place = next(place for place, unit in enumerate(sent[-1]) if "row 0007" in unit)
    stub = {"type": "tool_result", "tool_use_id": "x", "content": "[perdure_recall with page p-abcdefghij]"}
    for units in moved[4:]:
        units[place] = json.dumps({"role": "user", "block": stub})
    assert [each.cause for each in breaks(moved, sent, range(len(sent)), {"p-abcdefghij"})] == ["move"]
    assert [each.cause for each in breaks(moved, sent, range(len(sent)), {"p-zzzzzzzzzz"})] == [""]


def test_a_break_that_the_client_made_itself_is_the_clients():
    client, asked = talker("messages")
    client.say("Begin.")
    sent = [units_of("messages", record.body) for record in asked.recorded]
    assert [each.cause for each in breaks([sent[4], sent[2]], sent, [4, 2], set())] == ["client"]
    assert [each.cause for each in breaks([sent[4], sent[2]], [sent[4], sent[5]], [0, 1], set())] == [""]


# -- the caches that make the bill -------------------------------------------------------------------


def units(count: int, marks: dict[int, str], size: int = 3000):
    return tuple(unit_of(f"{n} " + "x" * size, characters=3, kept=marks.get(n, "")) for n in range(count))


def test_a_marked_cache_is_found_at_most_twenty_blocks_back_and_only_where_it_was_written():
    cache = MarkedCache()
    assert cache.ask("a", units(4, {3: "5m"}), 0).write_5m == 4 * 1001
    near = cache.ask("a", units(23, {22: "5m"}), 10)
    assert (near.read, near.write_5m) == (4 * 1001, 19 * 1001)
    assert cache.ask("b", units(4, {3: "5m"}), 10).read == 0
    far = MarkedCache()
    far.ask("a", units(4, {3: "5m"}), 0)
    assert far.ask("a", units(24, {23: "5m"}), 10).read == 0


def test_a_marked_cache_goes_cold_and_each_use_keeps_it_warm():
    cache = MarkedCache()
    cache.ask("a", units(4, {3: "5m"}), 0)
    assert cache.ask("a", units(4, {3: "5m"}), 299).read > 0
    assert cache.ask("a", units(4, {3: "5m"}), 299 + 299).read > 0
    assert cache.ask("a", units(4, {3: "5m"}), 299 + 299 + 301).read == 0


def test_a_marked_cache_holds_nothing_that_is_too_short():
    cache = MarkedCache()
    assert cache.ask("a", units(1, {0: "1h"}, size=2000), 0) == cache.ask(
        "a", units(1, {0: "1h"}, size=2000), 1
    )
    assert cache.ask("a", units(1, {0: "1h"}, size=2000), 0).write_1h == 0


def test_a_prefix_cache_reads_in_steps_of_128_from_1024():
    cache = PrefixCache()
    cache.ask("a", units(9, {}, size=300), 0)
    assert cache.ask("a", units(9, {}, size=300), 1).read == 0
    longer = PrefixCache()
    longer.ask("a", units(12, {}, size=300), 0)
    assert longer.ask("a", units(14, {}, size=300), 1).read == 1152
    assert longer.ask("a", units(14, {}, size=300), 5000).read == 0
