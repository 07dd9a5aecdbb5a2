"""The law of need: what it says of ages, and how a conversation's own figures take over."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.page.odds import (
    calls_ahead,
    calls_away,
    needed_at_once,
    needs_seen,
    rate_of,
    stays_away,
)
from perdure.projection.ages import DOUBLING, doublings, needed_prior
from perdure.projection.trail import Previewed, Trail


@given(st.integers(1, 10**9))
def test_doublings_are_logarithms_to_a_hundredth(age: int):
    assert doublings(age) / DOUBLING == pytest.approx(math.log2(age), abs=0.01)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_age_is_never_fewer_doublings(age: int, more: int):
    assert doublings(age) <= doublings(age + more)


@given(st.floats(0.01, 0.6), st.integers(1, 400), st.integers(1, 400))
def test_a_page_is_likelier_to_stay_away_the_older_it_is_and_the_sooner_it_ends(
    rate: float, age: int, calls: int
):
    stays = stays_away(rate, age, calls)
    assert 0 < stays <= 1
    assert stays <= stays_away(rate, 2 * age, calls) + 1e-9
    assert stays_away(rate, age, calls + 50) <= stays + 1e-9
    assert stays == pytest.approx(math.exp(-rate * math.log2((age + calls) / age)), abs=0.03)


@given(st.floats(0.01, 0.4), st.integers(1, 400), st.integers(1, 400))
def test_calls_away_are_what_staying_away_adds_up_to(rate: float, age: int, calls: int):
    added = sum(math.exp(-rate * math.log2((age + call) / age)) for call in range(calls))
    assert calls_away(rate, age, calls) == pytest.approx(added, rel=0.25, abs=1.5)


def test_files_are_needed_twice_as_often_as_what_commands_print():
    assert needed_prior("README.md") == needed_prior("src\\a") == needed_prior("src/a.py")
    assert needed_prior("make") == needed_prior("make src/a.py")
    assert needed_prior("src/a.py") == 2 * needed_prior("make test") == 2 * needed_prior("")
    assert rate_of("src/a.py", 1.0) > rate_of("make test", 1.0)


def test_what_a_conversation_shows_takes_over_from_the_prior():
    quiet = Trail(out=20, out_weight=20 * 95, out_numbers=20 * 95 * 10)
    assert needs_seen(Trail(), 5) == 1.0
    assert needs_seen(quiet, 200) < 0.3
    assert needs_seen(Trail(needed=10, endured=10 * 95 * 1000), 200) > 3


def test_a_tools_previews_are_judged_by_how_they_fared():
    fared = (Previewed("Read", 10, 9), Previewed("Bash", 10, 0))
    assert needed_at_once(Trail(tried=fared), "Read", "src/a.py") > 0.6
    assert needed_at_once(Trail(tried=fared), "Bash", "make") < 0.06
    assert needed_at_once(Trail(), "Read", "src/a.py") == 0.35


def test_a_conversation_goes_on_for_as_long_again():
    assert calls_ahead(0) < calls_ahead(50) < 2 * calls_ahead(50) <= calls_ahead(124)
