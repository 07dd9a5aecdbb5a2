"""A user works where the agent works, rewinds, and rewinds back: nothing of theirs is lost."""

import pytest

from benchmarks.harness.losses import BROKEN, Count, history


def played(histories: range, build: str = "") -> Count:
    """Return what the histories came to together."""
    count = Count()
    for seed in histories:
        count = count.plus(history(seed, build=build))
    return count


def test_a_user_who_rewinds_and_rewinds_back_loses_nothing():
    count = played(range(12))
    assert (count.losses, count.first) == (0, "")
    assert count.refused > 0
    assert count.rewinds > count.histories


@pytest.mark.parametrize("build", BROKEN)
def test_a_build_that_loses_a_users_work_is_caught(build: str):
    assert played(range(8), build).losses > 0
