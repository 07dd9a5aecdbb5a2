"""Arguments become typed values, and results become JSON that every process spells alike."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import subprocess
import sys
import timeit
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.tools.convert import plain
from perdure.adapters.tools.tool import tool
from perdure.values.digest import Json
from perdure.values.errors import BadInput, BadTool


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Receipt:
    id: uuid.UUID
    at: dt.datetime
    amount: decimal.Decimal
    where: Path
    raw: bytes
    tags: set[str]


class Model(pydantic.BaseModel):
    day: dt.date
    amount: decimal.Decimal


@tool(effect="read")
def look(name: str, count: int, share: float = 0.5, when: dt.datetime | None = None) -> str:
    return f"{name}{count}{share}{when}"


def test_only_what_was_given_is_bound_so_that_python_s_defaults_apply():
    assert look.bind({"name": "x", "count": 1}) == {"name": "x", "count": 1}


def test_a_whole_float_is_the_integer_that_json_schema_takes_it_for():
    bound = look.bind({"name": "x", "count": 100.0, "share": 2})
    assert bound == {"name": "x", "count": 100, "share": 2.0}
    assert type(bound["count"]) is int


def test_times_are_read_from_their_iso_form():
    bound = look.bind({"name": "x", "count": 1, "when": "2026-03-01T12:00:00Z"})
    assert bound["when"] == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": "x"}, "count"),
        ({"name": "x", "count": "1"}, "count"),
        ({"name": "x", "count": 1.5}, "count"),
        ({"name": "x", "count": True}, "count"),
        ({"name": "x", "count": 1, "more": 2}, "more"),
        ({"name": None, "count": 1}, "name"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(arguments: dict[str, Json], named: str):
    with pytest.raises(BadInput, match=named):
        look.bind(arguments)


def test_what_pydantic_refuses_is_refused_by_us():
    @tool(effect="read")
    def file(model: Model) -> str:
        return str(model)

    with pytest.raises(BadInput, match="model"):
        file.bind({"model": {"day": "no day", "amount": "1"}})
    bound = file.bind({"model": {"day": "2026-03-01", "amount": "1.50"}})
    assert bound == {"model": Model(day=dt.date(2026, 3, 1), amount=decimal.Decimal("1.50"))}


def test_a_dataclass_of_everything_becomes_json():
    receipt = Receipt(
        uuid.UUID(int=1),
        dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        decimal.Decimal("1.10"),
        Path("a/b"),
        b"\x00\xff",
        {"b", "a"},
    )
    assert plain(receipt) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-03-01T00:00:00Z",
        "amount": "1.10",
        "where": "a/b",
        "raw": {"base64": "AP8="},
        "tags": ["a", "b"],
    }


def test_models_enums_named_tuples_and_containers_become_json():
    model = Model(day=dt.date(2026, 3, 1), amount=decimal.Decimal("1.5"))
    assert plain([model, Colour.RED, Level.HIGH, Point(1, 2), (1, 2)]) == [
        {"day": "2026-03-01", "amount": "1.5"},
        "red",
        3,
        {"x": 1, "y": 2},
        [1, 2],
    ]
    assert plain({Colour.RED: 1, 2: "two", None: 3}) == {"red": 1, "2": "two", "null": 3}
    assert plain({"of": {"model": model}}) == {"of": {"model": {"day": "2026-03-01", "amount": "1.5"}}}


def test_what_json_can_not_spell_is_spelled_otherwise_and_not_lost():
    assert plain([math.nan, math.inf, -math.inf]) == ["nan", "inf", "-inf"]
    assert plain(2**64) == "18446744073709551616"
    assert plain("a\ud800b") == "a\ufffdb"
    assert plain("\ud83d\ude00") == "\U0001f600"


def test_what_has_no_json_form_is_named_with_a_cure():
    with pytest.raises(BadTool, match="socket") as caught:
        plain(object.__new__(type("socket", (), {})))
    assert "dataclass" in caught.value.hint
    with pytest.raises(BadTool, match="key"):
        plain({(1, 2): 3})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_json_is_plain_already(value: Json):
    assert plain(value) == value


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.uuids()
    | st.datetimes() | st.dates() | st.decimals() | st.just(Colour.RED) | st.just(Path("x")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
    | st.frozensets(st.text() | st.integers()),
    max_leaves=20,
)  # fmt: skip


@given(ANYTHING)
def test_whatever_is_plain_can_be_written_and_read_back(value: object):
    made = plain(value)
    assert msgspec.json.decode(msgspec.json.encode(made)) == made
    assert plain(made) == made


def test_a_set_is_spelled_alike_whatever_the_seed_of_hashes():
    script = (
        "from perdure.adapters.tools.convert import plain; import dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    s: set\n"
        "print(plain([{'a', 'b', 'c', 'd'}, A({'x', 'y', 'z'})]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert said == {b"[['a', 'b', 'c', 'd'], {'s': ['x', 'y', 'z']}]\n"}


@pytest.mark.bench
def test_binding_and_a_plain_result_cost_less_than_30_microseconds():
    arguments: Mapping[str, Json] = {"name": "x", "count": 3, "share": 0.25}
    result = {"name": "x", "count": 3, "lines": [1, 2, 3]}
    times = timeit.repeat(lambda: (look.bind(dict(arguments)), plain(result)), number=2000, repeat=5)
    assert min(times) / 2000 < 30e-6
