"""A small fleet of real workers comes to rest with nothing lost and nothing done twice, whatever is done to it."""

from pathlib import Path

import pytest

from benchmarks.scale.chaos.figures import BREACHES, Breach, caught
from benchmarks.scale.chaos.trial import Wish, trial_of
from tests.servers.postgres import programs

pytestmark = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL to start")


@pytest.mark.timeout(300)
def test_two_workers_that_are_killed_stopped_and_cut_off_lose_and_repeat_nothing(tmp_path: Path):
    wish = Wish(
        workers=2,
        runs=6,
        seconds=4.0,
        patience=80.0,
        stopped_seconds=(0.3, 2.5),
        failovers=0,
        standby=False,
        objects=False,
    )
    with trial_of(wish, tmp_path) as trial:
        verdict, left = trial.run()
    assert verdict.ok, "\n".join(verdict.lines())
    assert left == 0
    assert trial.faults


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_a_whole_fleet_survives_failovers(tmp_path: Path, seed: int):
    wish = Wish(seconds=180.0, seed=seed, failovers=2)
    with trial_of(wish, tmp_path) as trial:
        verdict, left = trial.run()
    assert verdict.ok, "\n".join(verdict.lines())
    assert left == 0
    assert verdict.in_flight >= 100


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_a_broken_build_is_caught(breach: Breach):
    assert caught(breach, 1, print)
