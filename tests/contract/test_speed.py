"""Judging stays far below what a durable commit costs; measured alone, since it reads the clock."""

import time

import pytest

from perdure.contract import Contract, Law, Rule, ToolRules, judge
from tests.contract.agents import PAY, WHERE, bill, figures, law_of


def microseconds(law: Law) -> float:
    """Return the best of several rounds: the cost itself, without what else the machine does."""
    now, arguments, best = figures(), bill(), float("inf")
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(500):
            judge(law, PAY, arguments, now, WHERE)
        best = min(best, (time.perf_counter() - begun) / 500 * 1e6)
    return best


@pytest.mark.bench
def test_a_simple_contract_is_judged_in_under_thirty_microseconds():
    simple = Contract(
        deny=("drop_*",),
        tools={"pay": ToolRules(amount="args.amount_cents")},
        rules=(Rule("small", ("pay",), require="args.amount_cents <= 500"),),
    )
    assert microseconds(law_of(simple)) < 30
    assert microseconds(law_of()) < 10
