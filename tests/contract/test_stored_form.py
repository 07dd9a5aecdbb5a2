"""A contract as data: what is stored, what names it, and what a stored one means later."""

import json
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contract import (
    ApprovalRule,
    Budget,
    Contract,
    Reach,
    Redaction,
    Rule,
    ToolRules,
    contract_bytes,
    contract_digest,
    read_contract,
)
from perdure.values.digest import Json, digest
from perdure.values.errors import BadContract
from tests.contract.agents import AGENT, bill, judged, law_of

FULL = Contract(
    allow=("pay",),
    deny=("x*",),
    tools={
        "pay": ToolRules({"properties": {"invoice": {"maxLength": 9}}}, amount="args.amount_cents", repeat=2)
    },
    rules=(
        Rule(
            "r", ("pay",), when="state.turns > 0", require="args.amount_cents < 5", reason="why", hint="how"
        ),
    ),
    approvals=(ApprovalRule("a", when="state.turns > 3", who="me", expires="1d", why="w"),),
    budgets=(Budget("b", "spend", 5, "tenant", "day"),),
    repeat=3,
    redact=(Redaction("x+", "x"),),
)


def test_the_digest_names_the_stored_bytes():
    assert contract_digest(FULL) == digest(contract_bytes(FULL))
    assert law_of(FULL).digest == contract_digest(FULL)


def test_where_a_contract_was_written_is_no_part_of_it():
    elsewhere = msgspec.structs.replace(FULL, file="a.yaml", lines={"rules/0": 7})
    assert contract_bytes(elsewhere) == contract_bytes(FULL)
    assert b"lines" not in contract_bytes(elsewhere)
    assert b"a.yaml" not in contract_bytes(elsewhere)


def test_a_stored_contract_reads_back_and_judges_the_same():
    again = read_contract(contract_bytes(FULL))
    assert again == FULL
    for amount in (1, 5, 9):
        assert judged(law_of(again), "pay", bill(amount)) == judged(law_of(FULL), "pay", bill(amount))


def test_the_permissive_contract_is_an_empty_object_for_ever():
    assert contract_bytes(Contract()) == b"{}"
    assert read_contract(b"{}") == Contract()


def test_a_rule_that_we_do_not_know_is_never_skipped():
    stored = json.dumps({"deny": ["pay"], "only_on_sundays": True}).encode()
    with pytest.raises(BadContract, match="only_on_sundays"):
        read_contract(stored)


def test_lists_and_tuples_spell_the_same_contract():
    loose = Contract(
        deny=cast("tuple[str, ...]", cast("object", ["x*"])),
        reach=Reach(read=cast("tuple[str, ...]", cast("object", ["**"]))),
    )
    strict = Contract(deny=("x*",), reach=Reach(read=("**",)))
    assert contract_bytes(loose) == contract_bytes(strict)


def test_what_can_not_be_stored_is_not_judged_either():
    thing = cast("Json", object())
    with pytest.raises(BadContract, match="objects of type object is unsupported"):
        law_of(Contract(tools={"pay": ToolRules(arguments={"maximum": thing})}))
    with pytest.raises(BadContract, match="no JSON Schema"):
        law_of(
            Contract(
                tools={"pay": ToolRules(arguments={"properties": {"invoice": {"maxLength": float("nan")}}})}
            )
        )


@given(st.integers(-(10**6), 10**6))
def test_a_law_is_the_same_whatever_was_judged_before(amount: int):
    used, fresh = law_of(FULL), law_of(FULL)
    for other in (1, 2, 3):
        judged(used, "pay", bill(other))
    assert judged(used, "pay", bill(amount)) == judged(fresh, "pay", bill(amount))
    assert used.definition == AGENT
