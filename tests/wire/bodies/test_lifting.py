"""What a request repeats of an earlier one is taken from there, and is what reading it anew gives."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies import lifting
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo, read_request
from tests.wire.bodies.sending import APIS, Did, Spoke, body_of, conversations, items_of, read
from tests.wire.bodies.spelling import randoms, spelled


def _long(count: int, name: str = "it") -> list[Spoke]:
    return [
        Spoke(
            "go", f"{name} {number}", (Did(f"call{number % 5}", "cat", {"path": f"{number}"}, f"r{number}"),)
        )
        for number in range(count)
    ]


@given(st.sampled_from(APIS), st.lists(conversations(), min_size=3, max_size=5), randoms)
def test_requests_of_growing_changing_and_mixed_conversations_are_read_as_if_anew(
    api: Api, stretches: list[list[Spoke]], random: Random
):
    memo = Memo()
    turns = _long(5)
    for stretch in stretches:
        turns = [*turns, *stretch, *_long(random.randrange(4))]
        body = body_of(api, turns)
        items = items_of(api, body)
        match random.randrange(4):
            case 0:
                items.insert(random.randrange(len(items)), {"role": "user", "content": "in between"})
            case 1:
                del items[random.randrange(len(items))]
            case 2:
                body["instructions" if api == "responses" else "system"] = "x" * random.randrange(9)
            case _:
                pass
        raw = spelled(body, random) if random.randrange(3) == 0 else json.dumps(body).encode()
        assert read(api, raw, memo) == read(api, raw)


@pytest.mark.parametrize("api", APIS)
def test_of_a_long_conversation_only_the_end_is_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch):
    memo, looked = Memo(), list[bytes]()
    read(api, body_of(api, _long(60)), memo)
    recall = memo.recall

    def watched(known: dict[bytes, object], kind: str, raw: bytes, reading: object) -> object:
        looked.append(raw)
        return recall(known, kind, raw, reading)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(memo, "recall", watched)
    read(api, body_of(api, _long(62)), memo)
    assert len(looked) <= lifting.NEW_ITEMS + 8


@pytest.mark.parametrize("behind", [b",]", b"]]", b"}", b"x]", b"[1]]", b""])
def test_an_array_that_goes_on_wrongly_behind_what_is_known_is_not_read(behind: bytes):
    memo = Memo()
    body: Json = {"messages": [{"role": "user", "content": f"{number}"} for number in range(30)]}
    raw = json.dumps(body).encode()
    read("chat", raw, memo)
    (trail,) = memo.trails.values()
    cut = raw[: trail.start + trail.size] + behind + b"}"
    assert read_request("chat", cut, memo) is None
    assert read_request("chat", cut, Memo()) is None


def test_what_is_known_of_arrays_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lifting, "TRAILS_MAX", 3)
    memo = Memo()
    for number in range(9):
        read("chat", body_of("chat", _long(10, f"talk {number}" * 200)), memo)
    assert len(memo.trails) == 3
