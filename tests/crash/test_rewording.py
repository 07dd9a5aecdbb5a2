"""A restored model words everything anew; with a declared identity nothing is done twice and nothing is swallowed."""

import pytest

from tests.crash.rewording import Rewordings, rewordings

SEEDS_IN_MAKE_TEST = 50
SEEDS = 1000


def checked(n: int) -> Rewordings:
    """Return ``n`` cases in which nothing is wrong that a declaration could prevent."""
    found = rewordings(n)
    assert found.declared.cases == found.undeclared.cases == n
    assert found.declared.again > n
    assert found.declared[3:] == (0, 0, 0, 0), found.declared
    assert found.undeclared.swallowed == found.undeclared.unfinished == 0, found.undeclared
    return found


def test_reworded_calls_are_neither_done_twice_nor_swallowed_nor_asked_about_where_identity_is_declared():
    found = checked(SEEDS_IN_MAKE_TEST)
    assert found.undeclared.duplicates > 0
    assert found.undeclared.asked > 0
    assert "identity" in found.advice


@pytest.mark.soak
def test_a_thousand_reworded_cases_hold():
    checked(SEEDS)
