"""What JSON and UTF-8 can't carry is made into something that they can, or refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.log.events import Usage
from perdure.values.digest import Json
from perdure.wire.spelling import clean, clean_text, read_call, safe_id, safe_tool
from perdure.wire.usage import anthropic_usage, chat_usage, responses_usage
from tests.wire.conversations import values


@given(values)
def test_whatever_is_clean_can_be_written_by_the_strictest_writer(value: Json):
    made = clean(value)
    assert json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    assert clean(made) == made


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_that_utf_8_can_carry_stays_as_it_is(text: str):
    assert clean_text(text) == text


def test_halves_of_a_pair_are_joined_or_replaced_one_by_one():
    assert clean_text("\ufeffa\ud83d\ude00b") == "\ufeffa\U0001f600b"
    assert clean_text("a\ud83db\ude00") == "a\ufffdb\ufffd"
    assert clean([math.nan, {"\ud800": -math.inf}]) == ["nan", {"\ufffd": "-inf"}]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ('{"a": 1, "a": 1}', "'a' stands twice"),
        ('{"b": {"a": 1, "a": 2}}', "'a' stands twice"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": [-Infinity]}', "-Infinity is no JSON"),
        ('{"a": 1e999}', "too large"),
        ('["a"]', "not an object"),
        ("null", "not an object"),
        ('{"a": 1', "Expecting"),
        ("[" * 100_000, "deep|recursion"),
        ('{"a": ' + "1" * 5000 + "}", "integer"),
    ],
)
def test_arguments_that_two_readers_could_understand_in_two_ways_are_not_understood(words: str, why: str):
    call = read_call("c", "pay", words)
    assert call.arguments is None
    assert any(part in call.unreadable for part in why.split("|"))
    assert len(call.unreadable) < 700


def test_large_whole_numbers_keep_every_digit():
    assert read_call("c", "pay", '{"a": 123456789012345678901234567890}').arguments == {
        "a": 123456789012345678901234567890
    }


def test_escaped_halves_of_a_pair_in_arguments_are_replaced():
    assert read_call("c", "pay", '{"a": "\\ud800x"}').arguments == {"a": "\ufffdx"}


@given(st.text())
def test_an_id_that_providers_do_not_take_gets_another_and_always_the_same(name: str):
    made = safe_id(name)
    assert made == safe_id(name) == safe_id(made)
    assert 0 < len(made) <= 40
    assert made.isascii()


def test_good_ids_and_names_are_left_alone():
    assert safe_id("toolu_01A-b") == "toolu_01A-b"
    assert safe_tool("read_file-2") == "read_file-2"
    assert safe_tool("read file!") == "read_file_"
    assert safe_tool("") == "unnamed"


def test_usage_counts_all_input_and_tells_the_cached_part():
    shape: Json = {
        "input_tokens": 1,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 4,
        "output_tokens": 8,
    }
    assert anthropic_usage(shape) == Usage(7, 8, 2, 4)
    nothing: list[Json] = [
        None,
        {},
        {"prompt_tokens": None, "input_tokens": "many", "completion_tokens": -1},
        [],
    ]
    for odd in nothing:
        assert anthropic_usage(odd) == chat_usage(odd) == responses_usage(odd) == Usage()
