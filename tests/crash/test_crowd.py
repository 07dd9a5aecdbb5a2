"""Runs of one tenant side by side: one payment for each invoice, and one budget for all."""

from tests.crash.broken import ClaimlessDisk
from tests.crash.crowd import BUDGET, PRICE, crowd

SEEDS_IN_MAKE_TEST = 40


def test_runs_that_want_the_same_invoices_pay_each_once_and_keep_to_one_budget():
    deaths = 0
    for seed in range(SEEDS_IN_MAKE_TEST):
        found = crowd(seed)
        assert found.judged.ok, (seed, found.judged.lines())
        assert set(found.statuses) == {"finished"}, seed
        assert found.paid * PRICE <= BUDGET, seed
        deaths += found.deaths
    assert deaths > SEEDS_IN_MAKE_TEST


def test_without_claims_they_pay_invoices_twice():
    assert sum(len(crowd(seed, ClaimlessDisk).judged.duplicates) for seed in range(10)) > 0
