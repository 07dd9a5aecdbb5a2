"""Type hints become JSON Schema that a real validator agrees with."""

import dataclasses
import enum
from typing import Annotated, Literal, NotRequired, TypedDict

import jsonschema_rs
import msgspec
import pydantic
import pytest

from perdure.adapters.tools.tool import AnyTool, tool
from perdure.values.digest import Json
from perdure.values.errors import BadTool
from perdure.wire.reading import dict_at


class Currency(enum.Enum):
    EUR = "eur"
    USD = "usd"


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


class Address(TypedDict):
    city: str
    street: NotRequired[str]


class Weight(msgspec.Struct):
    grams: Annotated[int, msgspec.Meta(ge=1)]


class Part(pydantic.BaseModel):
    name: str
    count: int = pydantic.Field(ge=1, description="how many of it")


class Assembly(pydantic.BaseModel):
    parts: list[Part]


class Node(pydantic.BaseModel):
    children: list["Node"] = []


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str


@dataclasses.dataclass
class Crate:
    content: Assembly


def accepts(made: AnyTool, arguments: Json) -> bool:
    """Tell whether the tool's schema, compiled by a real validator, accepts ``arguments``."""
    return jsonschema_rs.validator_for(made.declaration.schema).is_valid(arguments)


def property_of(made: AnyTool, name: str) -> dict[str, Json]:
    """Return the schema of one argument."""
    return dict_at(made.declaration.schema["properties"], name)


@tool(effect="read")
def order(
    lines: list[Line],
    to: Address,
    currency: Currency,
    speed: Literal["slow", "fast"],
    weight: Weight,
    note: str | None,
    labels: dict[str, int],
    limit: Annotated[int, msgspec.Meta(ge=0, description="at most")] = 10,
) -> str:
    return f"{lines}{to}{currency}{speed}{weight}{note}{labels}{limit}"


GOOD: dict[str, Json] = {
    "lines": [{"sku": "a"}, {"sku": "b", "count": 2}],
    "to": {"city": "Bern"},
    "currency": "eur",
    "speed": "fast",
    "weight": {"grams": 3},
    "note": None,
    "labels": {"x": 1},
}


def test_plain_types_enums_dataclasses_typed_dicts_and_structs_have_schemas():
    assert accepts(order, GOOD)
    assert order.bind(GOOD) == {
        "lines": [Line("a"), Line("b", 2)],
        "to": {"city": "Bern"},
        "currency": Currency.EUR,
        "speed": "fast",
        "weight": Weight(3),
        "note": None,
        "labels": {"x": 1},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "yen"},
        {"speed": "medium"},
        {"weight": {"grams": 0}},
        {"to": {"street": "no city"}},
        {"labels": {"x": "one"}},
        {"limit": -1},
        {"unknown": 1},
        {"lines": [{"sku": "a", "colour": "red"}]},
        {"to": {"city": "Bern", "planet": "Mars"}},
        {"note": 3},
    ],
)
def test_what_does_not_fit_is_refused_at_any_depth(change: dict[str, Json]):
    assert not accepts(order, {**GOOD, **change})


def test_a_missing_argument_is_refused_and_one_with_a_default_may_be_left_out():
    assert not accepts(order, {name: value for name, value in GOOD.items() if name != "note"})
    assert property_of(order, "limit") == {
        "type": "integer",
        "minimum": 0,
        "description": "at most",
        "default": 10,
    }


def test_the_docstring_describes_parameters_unless_their_type_does():
    @tool(effect="read")
    def look(place: str, depth: Annotated[int, msgspec.Meta(description="from the type")]) -> str:
        """Look somewhere.

        Args:
            place: where to
                look
            depth: from the docstring
        """
        return f"{place}{depth}"

    assert look.declaration.description == "Look somewhere."
    assert property_of(look, "place")["description"] == "where to look"
    assert property_of(look, "depth")["description"] == "from the type"


def test_a_default_that_json_can_spell_is_shown_and_another_is_left_to_python():
    @tool(effect="read")
    def paint(
        colour: Currency = Currency.USD, sizes: tuple[int, ...] = (1, 2), line: Line | None = None
    ) -> str:
        return f"{colour}{sizes}{line}"

    assert property_of(paint, "colour")["default"] == "usd"
    assert property_of(paint, "sizes")["default"] == [1, 2]
    assert paint.bind({}) == {}


def test_pydantic_models_work_alone_in_lists_and_inside_dataclasses():
    @tool(effect="read")
    def build(one: Assembly, many: list[Assembly], crate: Crate, maybe: Assembly | None = None) -> str:
        return f"{one}{many}{crate}{maybe}"

    parts: Json = {"parts": [{"name": "wheel", "count": 4}]}
    arguments: dict[str, Json] = {"one": parts, "many": [parts], "crate": {"content": parts}, "maybe": parts}
    assert accepts(build, arguments)
    whole = Assembly(parts=[Part(name="wheel", count=4)])
    assert build.bind(arguments) == {"one": whole, "many": [whole], "crate": Crate(whole), "maybe": whole}
    assert not accepts(build, {**arguments, "one": {"parts": [{"name": "wheel", "count": 0}]}})
    assert not accepts(build, {**arguments, "one": {"parts": [], "more": 1}})


def test_a_recursive_pydantic_model_refers_to_its_own_definition():
    @tool(effect="read")
    def walk(tree: Node) -> str:
        return str(tree)

    assert accepts(walk, {"tree": {"children": [{"children": []}]}})
    assert not accepts(walk, {"tree": {"children": [{"children": 3}]}})


def test_a_model_that_allows_more_properties_keeps_allowing_them():
    @tool(effect="read")
    def note(what: Open) -> str:
        return str(what)

    assert accepts(note, {"what": {"name": "a", "more": 1}})
    assert not accepts(note, {"what": {"name": "a"}, "more": 1})


def test_two_models_of_one_name_keep_their_own_definitions():
    def model(kind: type) -> type[pydantic.BaseModel]:
        inner = pydantic.create_model("Inner", value=(kind, ...))
        return pydantic.create_model("Outer", inner=(inner, ...))

    first, second = model(int), model(str)

    def both(a: object, b: object) -> str:
        return f"{a}{b}"

    both.__annotations__ = {"a": first, "b": second, "return": str}
    made = tool(effect="read")(both)
    assert accepts(made, {"a": {"inner": {"value": 1}}, "b": {"inner": {"value": "x"}}})
    assert not accepts(made, {"a": {"inner": {"value": "x"}}, "b": {"inner": {"value": "x"}}})


def test_names_of_properties_that_are_words_of_json_schema_are_left_alone():
    @tool(effect="read")
    def odd(properties: dict[str, str], required: str, enum: list[str], default: str = "type") -> str:
        return f"{properties}{required}{enum}{default}"

    assert accepts(odd, {"properties": {"anything": "goes"}, "required": "x", "enum": ["y"]})
    assert not accepts(odd, {"properties": {}, "required": "x", "enum": ["y"], "other": 1})


def test_a_type_without_a_schema_is_refused_with_what_to_use_instead():
    class Opaque:
        pass

    def use(thing: object) -> str:
        return str(thing)

    use.__annotations__["thing"] = Opaque
    with pytest.raises(BadTool, match="Opaque") as caught:
        tool(effect="read")(use)
    assert "dataclass" in caught.value.hint


def test_a_pydantic_constraint_outside_a_model_is_refused_since_it_would_not_hold():
    def pay(cents: Annotated[int, pydantic.Field(le=500)]) -> str:
        return str(cents)

    with pytest.raises(BadTool, match="FieldInfo") as caught:
        tool(effect="read")(pay)
    assert "msgspec.Meta" in caught.value.hint


def test_a_tool_without_arguments_takes_none():
    @tool(effect="read")
    def now() -> str:
        return "noon"

    assert accepts(now, {})
    assert not accepts(now, {"x": 1})
    assert now.bind({}) == {}
