"""What tools do to the world: the file, else the server's hints where they are safe to believe, else ``once``."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perdure.intention.declaration import EffectClass
from perdure.mcp.drafting import drafted, undecided
from perdure.mcp.effects import (
    Effects,
    KeyPlace,
    ServerEffects,
    ToolEffect,
    declared,
    effects_of,
    unknown_names,
)
from perdure.mcp.servers import Server
from perdure.values.errors import BadInput

HINTED: list[tuple[dict[str, Any] | None, EffectClass]] = [
    (None, "once"),
    ({}, "once"),
    ({"readOnlyHint": False}, "once"),
    ({"readOnlyHint": True}, "read"),
    ({"readOnlyHint": True, "destructiveHint": True}, "once"),
    ({"idempotentHint": True}, "once"),
    ({"idempotentHint": True, "destructiveHint": True}, "once"),
    ({"idempotentHint": True, "destructiveHint": False}, "idempotent"),
    ({"readOnlyHint": "yes"}, "once"),
]
SCHEMA = {
    "type": "object",
    "properties": {"invoice": {"type": "string"}, "reference": {"type": "string"}, "key": {"type": "string"}},
    "required": ["invoice", "key"],
}


def tool(name: str = "pay", **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": SCHEMA, **more}


def said(**one: Any) -> Effects:
    return Effects({"bank": ServerEffects(tools={"pay": ToolEffect(**one)})})


def read_from(text: str) -> Effects:
    return msgspec.convert(yaml.safe_load(text), Effects)


@pytest.mark.parametrize(("hints", "effect"), HINTED)
def test_hints_are_believed_where_being_wrong_costs_least(hints: dict[str, Any] | None, effect: EffectClass):
    given_tool = tool() if hints is None else tool(annotations=hints)
    assert declared("bank", given_tool, Effects()).effect == effect


@pytest.mark.parametrize(
    "hints", [{"readOnlyHint": True}, {"idempotentHint": True, "destructiveHint": False}]
)
def test_the_file_comes_before_the_hints(hints: dict[str, Any]):
    assert declared("bank", tool(annotations=hints), said(effect="once")).effect == "once"
    untrusted = Effects({"bank": ServerEffects(annotations="ignore")})
    assert declared("bank", tool(annotations=hints), untrusted).effect == "once"


def test_what_the_file_says_stands_in_the_declaration():
    told = said(
        effect="idempotent",
        identity=("invoice",),
        volatile=("reference",),
        key=KeyPlace(argument="key"),
        key_lifetime="24h",
        timeout="90s",
    )
    made = declared("bank", tool(), told)
    assert (made.name, made.effect, made.identity) == ("bank__pay", "idempotent", ("invoice",))
    assert made.volatile == ("reference", "key")
    assert (made.key_lifetime, made.timeout) == (24 * 3600 * 10**9, 90 * 10**9)
    assert made.schema["required"] == ["invoice"]
    assert made.on_divergence == "refuse"
    assert declared("bank", tool(), Effects()).on_divergence == "ask"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("servers: {bank: {tools: {pay: {effect: sometimes}}}}", "effect"),
        ("servers: {bank: {tools: {pay: {efect: once}}}}", "efect"),
        ("servers: {bank: {tools: {pay: {timeout: soon}}}}", "no time"),
        ("servers: {bank: {tools: {pay: {key: {argument: k}}}}}", "a key is for"),
        ("servers: {bank: {tools: {pay: {effect: idempotent, key: {}}}}}", "names an argument or"),
        ("servers: {bank: {tools: {pay: {effect: read, identity: [a]}}}}", "has no identity"),
        ("servers: [", "no YAML"),
        ("- 1", "Expected `object`"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, words: str):
    file = tmp_path / "effects.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=words) as caught:
        effects_of(file)
    assert str(file) in str(caught.value)


def test_names_that_the_server_does_not_have_are_seen():
    told = Effects(
        {"bank": ServerEffects(tools={"pya": ToolEffect(), "pay": ToolEffect(identity=("invoce",))})}
    )
    assert unknown_names("bank", [tool()], told) == (
        "bank has no tool 'pya'",
        "bank.pay has no argument 'invoce'",
    )


def test_a_schema_that_nobody_can_read_judges_nothing():
    assert declared("bank", {"name": "pay", "inputSchema": {"type": "nonsense"}}, Effects()).schema == {}


def name_of_one(one: dict[str, Any]) -> str:
    return str(one["name"])


NAMES = st.text(min_size=1, max_size=12)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "description": st.text(max_size=200),
            "annotations": st.dictionaries(
                st.sampled_from(["readOnlyHint", "idempotentHint", "destructiveHint"]), st.booleans()
            ),
            "inputSchema": st.dictionaries(
                st.just("properties"), st.dictionaries(NAMES, st.just({}), max_size=4)
            ),
        },
    ),
    max_size=4,
    unique_by=name_of_one,
)


@given(TOOLS)
def test_a_draft_says_what_would_hold_without_it_whatever_tools_are_called(tools: list[dict[str, Any]]):
    read = read_from(drafted([(Server("bank"), tools)]))
    for one in tools:
        assert declared("bank", one, read).effect == declared("bank", one, Effects()).effect
        assert read.of("bank", one["name"]).decide == undecided(one)


def test_a_draft_marks_what_a_person_must_decide():
    text = drafted([(Server("bank"), [tool(), tool("look", annotations={"readOnlyHint": True})])])
    assert "# identity: [invoice]" in text
    assert "# volatile: [reference]" in text
    read = read_from(text)
    assert read.undecided() == ("bank__pay: which arguments make two calls the same act? perhaps invoice",)
    assert "its name says" in undecided(tool("delete_all", annotations={"readOnlyHint": True}))
