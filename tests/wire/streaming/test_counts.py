"""What a client can count has no gap: blocks, items, events, calls; and what is told once is told once."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dict_first, dicts_at
from perdure.wire.streaming.sse import SseSplitter, read
from tests.wire.streaming.driving import played, shape
from tests.wire.streaming.provider import Script
from tests.wire.streaming.scripts import replies
from tests.wire.streaming.strict import Shape


def events(stream: bytes) -> list[Shape]:
    """Return the events of a stream that are JSON."""
    return [
        shape(data) for piece in SseSplitter().feed(stream) if (data := read(piece).data).startswith(b"{")
    ]


def miscounts(told: Sequence[Shape]) -> list[str]:
    """Return what is wrong with the counts in a stream, whichever API it is of."""
    kinds = [event.get("type") for event in told]
    if "message_start" in kinds:
        return _message(told, kinds)
    return _response(told, kinds) if "response.created" in kinds else _chunks(told)


def _once(kinds: Sequence[Json], *names: str) -> list[str]:
    return [f"{name} comes {kinds.count(name)} times" for name in names if kinds.count(name) != 1]


def _message(told: Sequence[Shape], kinds: Sequence[Json]) -> list[str]:
    begun = [event["index"] for event in told if event["type"] == "content_block_start"]
    ended = [event["index"] for event in told if event["type"] == "content_block_stop"]
    right = list(range(len(begun)))
    wrong = _once(kinds, "message_start", "message_delta", "message_stop")
    wrong += [f"blocks begin at {begun} and end at {ended}"] if (begun, ended) != (right, right) else []
    return wrong + ([] if kinds[-1] == "message_stop" else ["message_stop is not the last event"])


def _response(told: Sequence[Shape], kinds: Sequence[Json]) -> list[str]:
    wrong = _once(kinds, "response.created", "response.completed")
    numbers = [event["sequence_number"] for event in told]
    wrong += [f"numbers are {numbers}"] if numbers != list(range(len(told))) else []
    output = dicts_at(dict_at(told[-1], "response"), "output")
    ids = [item["id"] for item in output]
    for name in ("response.output_item.added", "response.output_item.done"):
        placed = {
            event["output_index"]: dict_at(event, "item")["id"] for event in told if event["type"] == name
        }
        wrong += (
            [f"{name}: {placed} is not {ids}"]
            if [placed.get(place) for place in range(len(ids))] != ids
            else []
        )
        wrong += [f"{name}: {len(placed)} items"] if len(placed) != len(ids) else []
    names = {str(dict_at(event, "response").get("id")) for event in told if "response" in event}
    return wrong + ([f"ids are {names}"] if len(names) != 1 else [])


def _chunks(told: Sequence[Shape]) -> list[str]:
    choices = [dict_first(chunk, "choices") for chunk in told]
    deltas = [dict_at(choice, "delta") for choice in choices]
    wrong = [f"ids are {names}" for names in [{str(chunk["id"]) for chunk in told}] if len(names) != 1]
    wrong += [f"made at {times}" for times in [{str(chunk["created"]) for chunk in told}] if len(times) != 1]
    counted = {
        "a role": sum("role" in delta for delta in deltas),
        "a finish": sum(bool(choice.get("finish_reason")) for choice in choices),
        "a usage": sum(bool(chunk.get("usage")) for chunk in told),
    }
    wrong += [f"{name} comes {number} times" for name, number in counted.items() if number != 1]
    begun = [call["index"] for delta in deltas for call in dicts_at(delta, "tool_calls") if call.get("id")]
    return wrong + ([f"calls begin at {begun}"] if begun != list(range(len(begun))) else [])


@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
@given(scripts=replies())
def test_what_a_client_counts_has_no_gap(api: str, scripts: tuple[Script, ...]):
    match api:
        case "messages" | "chat" | "responses":
            heard = played(api, scripts, stream=True)
        case _:
            raise AssertionError(api)
    assert miscounts(events(heard.told)) == []
