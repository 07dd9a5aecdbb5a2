"""Every part of a value is found exactly where it stands, however it is spelled; or nothing is."""

import json
from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Span
from perdure.wire.bodies.spans import FAULTS, elements, members
from tests.wire.bodies.spelling import names, randoms, spelled, values

objects = st.dictionaries(names, values, max_size=6)
arrays = st.lists(values, max_size=6)
Walk = Callable[[bytes], dict[str, Span]]


def parts_of(value: Json, random: Random) -> list[tuple[str, bytes]]:
    """Return the parts of an object as they are to be spelled."""
    assert isinstance(value, dict)
    return [(name, spelled(part, random).strip()) for name, part in value.items()]


def places_are_true(walk: Walk, value: Json, random: Random) -> bool:
    """Spell an object part by part, so that the places are known beforehand."""
    body, places = b" {", {}
    for number, (name, part) in enumerate(parts_of(value, random)):
        body += (b" , " if number else b"\n") + spelled(name, random) + b":\t"
        places[name] = Span(len(body), len(body) + len(part))
        body += part
    return walk(body + b" } \r\n") == places


@given(objects, randoms)
def test_the_members_of_an_object_are_found_where_they_stand(value: Json, random: Random):
    assert places_are_true(members, value, random)


@given(arrays, randoms)
def test_the_elements_of_an_array_are_found_where_they_stand(value: list[Json], random: Random):
    body = spelled(value, random)
    places = elements(body)
    assert [json.loads(body[start:end]) for start, end in places] == value
    assert all(body[start:end].strip() == body[start:end] for start, end in places)


@given(objects, randoms)
def test_the_members_of_any_spelling_are_what_they_decode_to(value: dict[str, Json], random: Random):
    body = spelled(value, random, shuffled=True)
    assert {name: json.loads(body[start:end]) for name, (start, end) in members(body).items()} == value


@given(objects, names, values, values | st.none(), randoms)
def test_a_name_that_stands_twice_is_unreadable(
    value: dict[str, Json], name: str, one: Json, other: Json, random: Random
):
    pairs = [*value.items(), (name, one), (name, other if other is not None else one)]
    random.shuffle(pairs)
    inner = [spelled(key, random) + b":" + spelled(part, random) for key, part in pairs]
    with pytest.raises(FAULTS):
        members(b"{" + b",".join(inner) + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"xx","b":1,"a":"yy"}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":1,"b":2}',
        b'{"b":2,"a":1,"a":1,"c":3}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":"x\\",\\"b\\":2,\\"c\\":\\"","b":1,"a":"x"}',
        b'{"a":12,"a":1}',
        b'{"a":{"b":{}},"a":{}}',
        b"\xef\xbb\xbf{}",
        b'{"a":1}{}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":01}',
        b'{"a" 1}',
        b'{"\xff":1}',
        b"[1]",
        b"",
        b" ",
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_unreadable(body: bytes):
    with pytest.raises(FAULTS):
        members(body)


def test_what_is_nested_too_deeply_is_unreadable():
    with pytest.raises(FAULTS):
        members(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(FAULTS):
        elements(b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000)


@given(objects, randoms, st.data())
def test_a_body_that_was_cut_off_is_unreadable(value: Json, random: Random, data: st.DataObject):
    body = spelled(value, random).rstrip()
    with pytest.raises(FAULTS):
        members(body[: data.draw(st.integers(0, len(body) - 1))])


def searching(body: bytes) -> dict[str, Span]:
    """Search for the bytes of each value instead of walking to it."""
    raws = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    starts = {name: (body.find(bytes(raw)), len(bytes(raw))) for name, raw in raws.items()}
    return {name: Span(start, start + size) for name, (start, size) in starts.items()}


def hasty(body: bytes) -> dict[str, Span]:
    """Take what follows a colon for the value, blanks or not."""
    return {
        name: Span(body.rfind(b":", 0, start) + 1, end) if start else Span(start, end)
        for name, (start, end) in members(body).items()
    }


@pytest.mark.parametrize("broken", [searching, hasty])
def test_a_scanner_that_searches_or_guesses_is_caught(broken: Walk):
    value, random = find(st.tuples(objects, randoms), lambda drawn: not places_are_true(broken, *drawn))
    assert places_are_true(members, value, random)
