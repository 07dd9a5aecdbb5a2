"""CEL conditions: typed by the tool's schema when loaded, closed when they fail at run time."""

import enum
from dataclasses import dataclass

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contract import (
    Allowed,
    Contract,
    Reach,
    Refusal,
    Rule,
    ToolRules,
    compile_law,
    contract_bytes,
    read_contract,
)
from perdure.intention.declaration import Declaration, Definition, definition_bytes, read_definition
from perdure.values.digest import Json
from perdure.values.errors import BadContract
from tests.contract.agents import AGENT, allowed, bill, figures, judged, law_of, refused

MANY: list[Json] = ["x"] * 1000


def ruled(require: str, when: str = "true", tool: str = "pay") -> Contract:
    return Contract(rules=(Rule("r", (tool,), when=when, require=require),))


def complaint(require: str, when: str = "true", tool: str = "pay") -> str:
    with pytest.raises(BadContract) as caught:
        law_of(ruled(require, when, tool))
    return str(caught.value)


@pytest.mark.parametrize(
    ("require", "text", "cure"),
    [
        (
            "args.amount_cent < 5",
            "pay has no argument 'amount_cent' (column 5)",
            "did you mean 'amount_cents'?",
        ),
        ("args.zzz < 5", "pay has no argument 'zzz'", "its arguments are: amount_cents, currency"),
        ("args.to.ibam == 'x'", "pay has no argument 'to.ibam'", "did you mean 'to.iban'?"),
        ("has(args.amount_cent)", "pay has no argument 'amount_cent'", "did you mean 'amount_cents'?"),
        ("args.to == args.to", "args.to can't be used as a whole", "name a field of it: args.to.iban"),
        ("size(args) > 2", "args can't be used as a whole", "name a field of it: args."),
        ("args.amount_cents < '5'", "'<' does not take int and string (column 19)", "compare text with text"),
        ("args.invoice > 5", "'>' does not take string and int", "compare text with text"),
        ("args.currency == 5", "'==' does not take string and int", "compare text with text"),
        ("has(args.rate) && args.rate < 5", "'<' does not take double and int", "write 5.0 for 5"),
        ("has(args.urgent) && args.urgent == 1", "'==' does not take bool and int", "values of one type"),
        ("args.amount_cents", "must be true or false, and this is int", "compare it"),
        ("args.amount_cents <", "it can't be read: mismatched input the end", "mend the expression"),
        ("args.amount_cents = 5", "it can't be read", "mend the expression"),
        ("amount_cents < 5", "nothing is called 'amount_cents'", "args.* and state.*"),
        ("today() < 5", "nothing is called 'today'", "args.* and state.*"),
        ("state.spend < 5", "state has no 'spend'", "did you mean 'spent'?"),
        ("state.calls['pya'] < 5", "state.calls counts no tool 'pya'", "did you mean 'pay'?"),
        ("state.calls.pya < 5", "state.calls counts no tool 'pya'", "did you mean 'pay'?"),
        ("args.invoice.matches('[')", "the pattern '[' can't be read: missing ]", "RE2"),
        ("args.note == 'x'", "args.note may be absent from a call of pay", "has(args.note) && ..."),
        ("args.to.iban == 'x'", "args.to.iban may be absent", "has(args.to.iban)"),
        ("args.tags.exists(t, t == 5)", "'==' does not take string and int", "compare text"),
        ("a" * 5000, "too long to be reviewed", "two rules"),
    ],
)
def test_a_condition_that_can_not_be_meant_is_refused_when_the_contract_is_loaded(require, text, cure):
    said = complaint(require)
    assert said.startswith("rules[0].require: in `")
    assert text in said
    assert cure in said


def test_an_error_in_a_condition_of_several_lines_names_the_line_within_it():
    assert "(line 2, column 14)" in complaint("args.amount_cents < 5 &&\nargs.invoice > 5")


def test_a_guard_in_when_counts_for_require():
    law = law_of(ruled("args.note == 'ok'", when="has(args.note)"))
    allowed(judged(law, "pay", bill()))
    allowed(judged(law, "pay", bill(note="ok")))
    assert "args.note is no" in refused(judged(law, "pay", bill(note="no"))).reason


@pytest.mark.parametrize(
    ("require", "arguments", "holds"),
    [
        ("args.amount_cents <= 100", bill(100), True),
        ("args.amount_cents <= 100", bill(101), False),
        ("args.amount_cents <= 100", {"invoice": "R", "amount_cents": 100.0}, True),
        ("args.currency == 'EUR'", bill(), True),
        ("args.currency == 'EUR'", bill(currency="USD"), False),
        ("has(args.note)", bill(), False),
        ("has(args.note)", bill(note=None), False),
        ("has(args.note)", bill(note=""), True),
        ("!has( args.note )", bill(), True),
        ("has(args.to) && has(args.to.name)", bill(to={"iban": "x"}), False),
        ("has(args.to.iban) && args.to.iban.startsWith('DE')", bill(to={"iban": "DE1"}), True),
        ("has(args.rate) && args.rate > 1.5", bill(rate=2), True),
        ("has(args.tags) && args.tags.all(t, t in ['a', 'b'])", bill(tags=["a"]), True),
        ("has(args.tags) && args.tags.all(t, t in ['a', 'b'])", bill(tags=["c"]), False),
        ("has(args.labels) && args.labels.team == 'x'", bill(labels={"team": "x"}), True),
        ("has(args.labels) && has(args.labels.team)", bill(labels={}), False),
        ("args.invoice == 'has(args.note)'", bill(), False),
        ('args.invoice != "args.typo" // args.typo', bill(), True),
        ("args.invoice.matches('^R-[0-9]+$')", bill(), True),
        ("size(args.invoice) == 3", bill(), True),
    ],
)
def test_conditions_see_the_arguments_as_the_schema_types_them(require, arguments, holds):
    verdict = judged(law_of(ruled(require)), "pay", arguments)
    assert isinstance(verdict, Allowed) is holds


def test_conditions_see_the_state():
    require = (
        "state.spent == 1 && state.turns == 2 && state.calls['pay'] == 3 && state.calls.fetch == 0 && "
        "state.tokens == 4 && state.cost_microusd == 5 && state.elapsed_s == 6 && state.tenant == 'acme'"
    )
    law = law_of(ruled(require))
    now = figures(turns=2, calls={"pay": 3}, spent=1, tokens=4, cost=5, elapsed_ns=6_999_999_999)
    allowed(judged(law, "pay", bill(), now))
    for other in (now._replace(spent=9), now._replace(calls={}), now._replace(elapsed_ns=7_000_000_000)):
        refused(judged(law, "pay", bill(), other))


@pytest.mark.parametrize(
    ("require", "arguments", "why"),
    [
        ("1000 / (args.amount_cents - 5) > 0", bill(5), "divide by zero"),
        ("args.amount_cents * 1000000000 > 0", bill(2**62), "overflow"),
        ("args.amount_cents > 0", bill(2**63), "too big"),
        ("has(args.labels) && args.labels.team == 'x'", bill(labels={"other": "x"}), '"team"'),
        (
            "!has(args.labels) && args.labels.all(l, l != 'x')",
            bill(),
            "args.labels is missing",
        ),
        ("has(args.tags) && args.tags.all(a, args.tags.all(b, a == b))", bill(tags=MANY), "teration"),
    ],
)
def test_a_condition_that_fails_at_run_time_refuses(require, arguments, why):
    refusal = refused(judged(law_of(ruled(require)), "pay", arguments))
    assert refusal.rule == "rules.r"
    assert "could not be decided" in refusal.reason
    assert why in refusal.reason


def test_a_when_that_fails_at_run_time_refuses_as_well():
    law = law_of(ruled("true", when="1 / (args.amount_cents - 5) > 0"))
    assert "could not be decided" in refused(judged(law, "pay", bill(5))).reason
    allowed(judged(law, "pay", bill(6)))


def test_arguments_that_cel_has_no_value_for_refuse():
    law = law_of(ruled("args.invoice != 'x'"))
    refusal = refused(judged(law, "pay", {"invoice": "\ud800", "amount_cents": 1}))
    assert "could not be decided: it stopped at a value" in refusal.reason


def test_a_tool_without_declared_arguments_is_judged_unchecked_and_closed():
    law = law_of(ruled("args.level < 3", tool="open_tool"))
    allowed(judged(law, "open_tool", {"level": 2}))
    refused(judged(law, "open_tool", {"level": 4}))
    assert "could not be decided" in refused(judged(law, "open_tool", {})).reason
    assert "could not be decided" in refused(judged(law, "open_tool", {"level": "two"})).reason
    law = law_of(ruled("args.ready", tool="open_tool"))
    assert "it is string" in refused(judged(law, "open_tool", {"ready": "yes"})).reason


def test_a_rule_for_many_tools_must_fit_each_of_them():
    with pytest.raises(BadContract, match="read_file has no argument 'amount_cents'"):
        law_of(Contract(rules=(Rule("r", ("pay", "read_*"), require="args.amount_cents < 5"),)))


def test_a_rule_that_covers_no_tool_must_still_be_readable():
    with pytest.raises(BadContract, match="can't be read"):
        law_of(Contract(rules=(Rule("r", ("later_*",), require="args.x <"),)))
    law_of(Contract(rules=(Rule("r", ("later_*",), require="args.x < 5"),)))


class Currency(enum.StrEnum):
    EUR = "EUR"
    USD = "USD"


class Party(pydantic.BaseModel):
    name: str
    vat: str | None = None
    parent: "Party | None" = None


class Order(pydantic.BaseModel):
    buyer: Party
    currency: Currency
    lines: list[Party]
    count: int = 1
    weight: float | None = None
    either: int | str = 0


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ("args.buyer.name == 'x' && args.currency == 'EUR' && args.count < 5", ""),
        ("has(args.weight) && args.weight < 2.0 && has(args.buyer.vat) && args.buyer.vat != ''", ""),
        ("args.lines.all(l, l.name != '')", ""),
        ("args.either == 5 || args.either == 'x'", ""),
        ("args.currency == 5", "'==' does not take string and int"),
        ("args.buyer.nmae == 'x'", "did you mean 'buyer.name'?"),
        ("args.buyer.vat == 'x'", "may be absent"),
        ("args.weight < 2.0", "may be absent"),
        ("has(args.buyer.parent.name) && args.buyer.parent.name == 5", "'==' does not take string and int"),
    ],
)
def test_schemas_that_pydantic_writes_type_the_conditions(require: str, said: str):
    order = Declaration("order", schema=Order.model_json_schema())
    agent = Definition("a", "", "", (order,))
    contract = ruled(require, tool="order")
    if not said:
        assert compile_law(agent, contract).names == ("order",)
        return
    with pytest.raises(BadContract) as caught:
        compile_law(agent, contract)
    assert said in str(caught.value)


def test_an_order_that_pydantic_writes_is_judged_with_null_as_absent():
    order = Order(buyer=Party(name="x"), currency=Currency.EUR, lines=[])
    assert (order.buyer.vat, order.buyer.parent, order.weight, order.either) == (None, None, None, 0)
    tool = Declaration("order", schema=Order.model_json_schema())
    law = compile_law(
        Definition("a", "", "", (tool,)),
        ruled("!has(args.buyer.vat) && !has(args.weight) && args.count == 1", tool="order"),
    )
    spelled = order.model_dump(mode="json")
    allowed(judged(law, "order", spelled))
    refused(judged(law, "order", {**spelled, "weight": 2}))


@dataclass(frozen=True)
class Odd:
    """A schema that people write, and the field that conditions may then use."""

    schema: dict[str, Json]
    field: str
    typed: bool


@pytest.mark.parametrize(
    "odd",
    [
        Odd({"properties": {"a-b": {"type": "integer"}}, "required": ["a-b"]}, "args.`a-b`", True),
        Odd({"properties": {"a": {"type": ["integer", "null"], "default": 0}}}, "args.a", True),
        Odd({"properties": {"a": {"const": 5}}, "required": ["a"]}, "args.a", True),
        Odd(
            {
                "properties": {"a": {"$ref": "#/$defs/loop"}},
                "$defs": {"loop": {"$ref": "#/$defs/loop"}},
                "required": ["a"],
            },
            "args.a",
            False,
        ),
        Odd({"properties": {"a": True}, "required": ["a"]}, "args.a", False),
        Odd({"properties": {"a": {"type": "integer"}}, "required": "all"}, "args.a", True),
    ],
)
def test_odd_schemas_type_what_they_say_and_leave_the_rest_unchecked(odd: Odd):
    agent = Definition("a", "", "", (Declaration("t", schema=odd.schema),))
    contract = ruled(f"has({odd.field}) && {odd.field} < 'x'", tool="t")
    if odd.typed:
        with pytest.raises(BadContract, match="does not take int and string"):
            compile_law(agent, contract)
    else:
        assert compile_law(agent, contract).names == ("t",)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["invoice", "amount_cents", "note", "to", "tags", "labels", "urgent", "rate", "path", "url"]
)
WHOLE = Contract(
    tools={
        "pay": ToolRules(amount="has(args.rate) ? int(args.rate) : args.amount_cents"),
        "open_tool": ToolRules(amount="int(args.amount)"),
        "read_file": ToolRules(reads=("path", "edits.path")),
        "fetch": ToolRules(connects=("url",)),
    },
    reach=Reach(read=("src/**",), hosts=("example.com",)),
    rules=(
        Rule("a", ("pay",), when="has(args.note)", require="args.note.matches('^[a-z]*$')"),
        Rule("b", ("pay",), require="args.amount_cents * 7 > 3 && (!has(args.tags) || args.tags[0] != '')"),
        Rule("c", ("open_tool",), require="args.a.b > 1 || args.c"),
    ),
)
LAW = law_of(WHOLE)
STORED = compile_law(read_definition(definition_bytes(AGENT)), read_contract(contract_bytes(WHOLE)))


@given(st.sampled_from([tool.name for tool in AGENT.tools]), st.dictionaries(FIELDS, VALUES, max_size=5))
def test_whatever_a_model_sends_the_judge_answers_and_a_law_from_the_log_answers_the_same(
    tool: str, arguments: dict[str, Json]
):
    verdict = judged(LAW, tool, arguments)
    assert isinstance(verdict, Allowed | Refusal)
    assert judged(STORED, tool, arguments) == verdict
    if isinstance(verdict, Refusal):
        assert verdict.rule
        assert verdict.reason
