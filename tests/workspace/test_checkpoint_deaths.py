"""A program killed at any call of the store: what its log names is there, whole, and it goes on."""

import pytest

from benchmarks.harness.deaths import deaths


def test_what_a_checkpoint_names_is_there_whichever_call_a_program_dies_at():
    found = deaths(step=40)
    assert found.histories >= 10
    assert found.damaged == 0, found.wrong


@pytest.mark.soak
def test_what_a_checkpoint_names_is_there_after_every_death():
    found = deaths()
    assert found.histories > 300
    assert found.damaged == 0, found.wrong


def test_a_build_that_names_a_tree_before_it_is_stored_is_caught():
    # How many calls a life makes differs a little, and so do the moments that a step hits.
    assert any(deaths(step=step, life="benchmarks.harness.late_life").damaged for step in (25, 11, 5))
