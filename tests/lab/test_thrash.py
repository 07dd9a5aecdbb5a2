"""The thrash shape: ours asks for each version once while it stays; a pager that thrashes is caught."""

from benchmarks.context.thrash import TARGET, thrash, thrashing
from perdure.profile.policies import AgeFifo, AppendOnly
from perdure.profile.simulate_ours import Ours


def test_a_version_is_asked_for_at_most_once_while_it_stays():
    path = thrashing()
    found = thrash(Ours(path, "room", TARGET), path)
    assert found.moved > 0
    assert found.per_version <= 1.0


def test_a_pager_that_thrashes_is_caught():
    path = thrashing()
    found = thrash(AgeFifo(4), path, forgets=True)
    assert found.faults > 6 * found.moved
    assert found.per_version > 10


def test_nothing_moved_is_nothing_missed():
    path = thrashing()
    assert thrash(AppendOnly(), path)[1:3] == (0, 0)
