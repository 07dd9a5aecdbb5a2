"""A reply whose hidden calls the client never saw is made whole again, and nothing else is."""

import json
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.digests import held_digest, message_digest
from perdure.wire.bodies.hidden import kept_under, unmerged
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.splicing import splice
from perdure.wire.reading import dicts_at, dicts_in, text_raw
from tests.wire.bodies.sending import (
    APIS,
    Did,
    Spoke,
    answers_chat,
    answers_items,
    body_of,
    conversations,
    items_of,
    read,
    said_chat,
    said_items,
    said_message,
)
from tests.wire.bodies.spelling import randoms, spelled, texts

MARK: Json = {"type": "ephemeral"}


class Exchange(NamedTuple):
    """A conversation as it was, as its client has it, and what was recorded of it."""

    true: dict[str, Json]
    seen: dict[str, Json]
    split: dict[str, bytes]
    joined: dict[str, bytes]


def said(api: Api, turn: Spoke) -> list[Json]:
    """Return a reply as elements of ``messages`` or ``input``."""
    if api == "responses":
        return said_items(turn)
    return [said_message(turn) if api == "messages" else said_chat(turn)]


def answers(api: Api, turn: Spoke) -> list[Json]:
    """Return the results of a reply's calls: blocks of Messages, else elements."""
    if api == "messages":
        return [
            {
                "type": "tool_result",
                "tool_use_id": did.call,
                "content": did.result if isinstance(did.result, str) else [],
            }
            for did in turn.did
        ]
    return answers_chat(turn) if api == "chat" else answers_items(turn)


def merged(api: Api, turns: list[Spoke]) -> list[Json]:
    """Return replies that followed one another as the client has them: one."""
    parts = [said(api, turn) for turn in turns]
    if api == "responses":
        return [item for part in parts for item in part]
    whole: dict[str, Json] = {"role": "assistant"}
    if api == "messages":
        blocks: list[Json] = [
            block for part in parts for one in dicts_in(part) for block in dicts_at(one, "content")
        ]
        return [{**whole, "content": blocks}]
    whole["content"] = "".join(turn.text for turn in turns)
    calls: list[Json] = [
        call for part in parts for one in dicts_in(part) for call in dicts_at(one, "tool_calls")
    ]
    return [{**whole, "tool_calls": calls} if calls else whole]


def hidden_in(api: Api, turns: list[Spoke], place: int, *, mixed: bool) -> Exchange:
    """Let the model ask for a page in turn ``place``: alone and then go on, or beside the client's own calls."""
    turn = turns[place]
    recall = Did("recall_1", "perdure_recall", {"page": "p-1"}, "the page")
    if mixed:
        whole = [turn._replace(did=(recall, *turn.did))]
        parts, joined = said(api, whole[0]), answers(api, whole[0])[:1]
    else:
        whole = [turn._replace(did=(recall,), text="I look again. "), turn._replace(asked="", thought="")]
        between = answers(api, whole[0])
        told: list[Json] = [{"role": "user", "content": between}] if api == "messages" else between
        parts, joined = [*said(api, whole[0]), *told, *said(api, whole[1])], []
    true = [*turns[:place], *whole, *turns[place + 1 :]]
    visible = [each._replace(did=tuple(did for did in each.did if did.call != "recall_1")) for each in whole]
    shown = merged(api, [each for each in visible if mixed or each.text or each.did or each.thought])
    seen = body_of(api, [*turns[:place], turn, *turns[place + 1 :]])
    first = len(items_of(api, body_of(api, turns[:place]))) - (api == "messages")
    asked = len(items_of(api, body_of(api, [*turns[:place], turn]))) - first - _after(api, turn)
    items = items_of(api, seen)
    at = first + asked
    size = len(said(api, turn))
    items[at : at + size] = shown
    before = read(api, {**seen, "input" if api == "responses" else "messages": items[:at]})
    array = json.dumps(parts).encode()
    name = kept_under(before, message_digest(api, shown if api == "responses" else shown[0]), array)
    return Exchange(
        body_of(api, true), seen, {name: array}, {name: json.dumps(joined).encode()} if joined else {}
    )


def _after(api: Api, turn: Spoke) -> int:
    """Return how many elements of a request stand from the reply ``turn`` on, if it is the last."""
    return len(said(api, turn)) + (1 if api == "messages" else len(turn.did))


@given(st.sampled_from(APIS), conversations(least=1), randoms, st.data(), st.booleans())
def test_a_merged_reply_goes_on_as_it_was(
    api: Api, turns: list[Spoke], random: Random, data: st.DataObject, mixed: bool
):
    turns = [turn._replace(did=tuple(did._replace(result="r") for did in turn.did)) for turn in turns]
    able = [place for place, turn in enumerate(turns) if turn.did] if mixed else list(range(len(turns)))
    if not able:
        return
    exchange = hidden_in(api, turns, data.draw(st.sampled_from(able)), mixed=mixed)
    body = spelled(exchange.seen, random, shuffled=True)
    request = read(api, body)
    edits = unmerged(request, exchange.split, exchange.joined)
    assert edits
    made = splice(body, edits)
    assert items_of(api, json.loads(made)) == items_of(api, exchange.true)
    paired(api, read(api, made))


def paired(api: Api, request: RequestBody) -> None:
    """Every call has one result behind it, every result has its call, and no two calls have one name."""
    calls = [call.call for _, call in request.calls]
    assert calls == [result.call for result in request.results if result.made is not None]
    assert len(set(calls)) == len(calls) == len(request.results)
    assert not any("#" in call for call in calls)
    if api == "messages":
        roles = [text_raw(message, "role") for message in dicts_in(items_of(api, json.loads(request.body)))]
        assert all(one != other for one, other in pairwise(roles))


@given(st.sampled_from(APIS), conversations(least=1), texts)
def test_other_replies_are_left_alone(api: Api, turns: list[Spoke], other: str):
    request = read(api, body_of(api, turns))
    strange = message_digest(api, {"role": "assistant", "content": f"{other} never said"})
    split = {kept_under(request, strange, b"[{}]"): b'[{"role":"assistant","content":"x"}]'}
    assert unmerged(request, split, {}) == []
    assert unmerged(request, {}, {}) == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_replies_in_the_same_words_the_one_that_recalled_is_split(api: Api, place: int):
    items: list[Json] = []
    for number in range(3):
        asked: Json = {"role": "user", "content": f"now {number}"}
        same: Json = {"role": "assistant", "content": "Done."}
        items += [asked, same]
    at = 2 * place + 1
    name = message_digest(api, items[at : at + 1] if api == "responses" else items[at])
    whole: list[Json] = [{"role": "assistant", "content": "the page, then: Done."}]
    array = json.dumps(whole).encode()
    field = "input" if api == "responses" else "messages"
    request = read(api, {field: items})
    exact = {kept_under(read(api, {field: items[:at]}), name, array): array}
    made = json.loads(splice(request.body, unmerged(request, exact, {})))
    assert made[field] == [*items[:at], *whole, *items[at + 1 :]]
    first = json.loads(splice(request.body, unmerged(request, {name: array}, {})))
    assert first[field] == [items[0], *whole, *items[2:]]


def test_a_mark_on_a_merged_reply_stands_on_the_last_block_of_what_takes_its_place():
    turns = [Spoke("go", "look", (Did("a", "Read", {}, "r"),))]
    exchange = hidden_in("messages", turns, 0, mixed=True)
    message = dicts_in(items_of("messages", exchange.seen))[1]
    dicts_at(message, "content")[-1]["cache_control"] = MARK
    body = json.dumps(exchange.seen).encode()
    made = json.loads(splice(body, unmerged(read("messages", body), exchange.split, exchange.joined)))
    blocks = made["messages"][1]["content"]
    assert [block.get("cache_control") for block in blocks] == [None, None, MARK]
    for block in blocks:
        block.pop("cache_control", None)
    assert made == exchange.true


@pytest.mark.parametrize(
    "following",
    [
        [],
        [{"role": "user", "content": "never mind"}],
        [{"role": "assistant", "content": [{"type": "text", "text": "and"}]}],
    ],
)
def test_a_reply_whose_answers_have_nowhere_to_go_stays_as_the_client_has_it(following: list[Json]):
    exchange = hidden_in("messages", [Spoke("go", "look", (Did("a", "Read", {}, "r"),))], 0, mixed=True)
    items = items_of("messages", exchange.seen)
    whole: list[Json] = [*items[:2], *following]
    request = read("messages", {"messages": whole})
    assert unmerged(request, exchange.split, exchange.joined) == []


def test_a_client_that_goes_on_from_a_kept_response_goes_on_from_its_last_part():
    split = {held_digest("resp_1"): b'["resp_2"]'}
    joined = {held_digest("resp_1"): b'[{"type":"function_call_output","call_id":"r","output":"p"}]'}
    answer = json.loads(joined[held_digest("resp_1")])
    own: Json = {"type": "function_call_output", "call_id": "a", "output": "x"}
    user: Json = {"role": "user", "content": "go"}
    cases: list[tuple[Json, list[Json]]] = [([own], [*answer, own]), ([], answer), ("go", [*answer, user])]
    for given_input, expected in cases:
        request = read("responses", {"previous_response_id": "resp_1", "input": given_input, "model": "m"})
        made = json.loads(splice(request.body, unmerged(request, split, joined)))
        assert made == {"previous_response_id": "resp_2", "input": expected, "model": "m"}
    other = read("responses", {"previous_response_id": "resp_3", "input": "go"})
    assert unmerged(other, split, joined) == []
    assert kept_under(other, held_digest("resp_1"), split[held_digest("resp_1")]) == held_digest("resp_1")


@pytest.mark.parametrize("place", [0, 1])
def test_replies_of_responses_that_touch_are_told_apart(place: int):
    replies = [Spoke("go", "one", (), thought="a"), Spoke("", "two", (), thought="b")]
    last: Json = {"role": "user", "content": "on"}
    asked: Json = {"role": "user", "content": "go"}
    parts = [said_items(reply) for reply in replies]
    whole: list[Json] = [asked, *parts[0], *parts[1], last]
    request = read("responses", {"input": whole})
    name = message_digest("responses", said_items(replies[place]._replace(thought="")))
    reference: Json = {"type": "item_reference", "id": "x"}
    made = json.loads(splice(request.body, unmerged(request, {name: json.dumps([reference]).encode()}, {})))
    parts[place] = [reference]
    assert made["input"] == [asked, *parts[0], *parts[1], last]
