"""A fork takes memory along as fences: what its lineage did stays done, wherever making it is cut short."""

import pytest

from perdure import wait
from perdure.intention.reply import Call, Reply
from perdure.testing import call, say, together
from perdure.testing.kit import look_of, mail_of
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


THREE = Reply(
    calls=tuple(Call(f"c{number}", "mail", {"act": f"m{number}"}) for number in range(3)), stop="calls"
)


@pytest.mark.parametrize("back", ["fork", "rewind"])
@pytest.mark.parametrize("place", range(4, 20))
def test_one_can_go_back_into_the_middle_of_a_decision(place: int, back: str):
    with Bench(lambda world: (mail_of(world),), [THREE, say("sent")]) as bench:
        end = bench.start().position
        if place >= end:
            return
        state = bench.rewind(place) if back == "rewind" else bench.fork(place) and bench.resume("fork")
        assert state.status == "finished"
        assert bench.world.counts() == {"m0": 1, "m1": 1, "m2": 1}


def test_going_back_into_a_reply_whose_wait_was_accepted_later_repeats_nothing():
    script = [together(call("mail", act="m1"), call("wait", seconds=60)), say("sent")]
    with Bench(lambda world: (mail_of(world), wait), script) as bench:
        bench.start()
        bench.people.rewind("run", bench.position("message.received"), by="operator")
        bench.kill("clock.until", "before")
        bench.live(lambda house, agent: house.resume(agent, "run"))
        assert bench.kinds().count("effect.replayed") == 1
        state = bench.rewind(bench.position("intention.proposed", 4))
        assert state.status == "finished"
        assert bench.world.counts() == {"m1": 1}


def test_a_read_that_is_under_way_is_done_again_after_going_back_to_before_it_twice():
    with Bench(lambda world: (look_of(world),), [call("look", what="a"), say("seen")]) as bench:
        bench.start()
        at = bench.position("intention.proposed")
        bench.people.rewind("run", at, by="operator")
        bench.people.rewind("run", at, by="operator")
        assert bench.resume().status == "finished"
