"""A fork takes memory along as fences: what its lineage did stays done, wherever making it is cut short."""

import pytest

from perdure.testing import call, say
from perdure.testing.kit import mail_of
from perdure.values.errors import UnknownRun
from tests.orchestrator.bench import Bench

MOMENTS_OF_A_FORK = 26


def half_forked(moment: int) -> Bench:
    """Return a run forked where a mail was under way, by a program that died at this moment of forking."""
    bench = Bench(lambda world: (mail_of(world),), [call("mail", act="m1"), say("sent")])
    bench.start()
    at = bench.position("effect.started")
    course = bench.history.course
    course.kills = frozenset({len(course.moments) + moment})
    bench.live(lambda house, agent: house.fork("run", at=at, new="fork"))
    return bench


@pytest.mark.parametrize("moment", range(MOMENTS_OF_A_FORK))
def test_a_fork_that_was_half_made_does_nothing_that_its_parent_did(moment: int):
    with half_forked(moment) as bench:
        try:
            state = bench.resume("fork")
        except UnknownRun:
            assert bench.history.course.deaths
            return
        assert state.parent == "run"
        assert state.status == "finished"
        assert bench.world.counts() == {"m1": 1}
