"""Bad weather from seeds: deaths, failures, lost answers, clock jumps and people who meddle, all at once."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from perdure.driver import writer
from perdure.testing.disks import MemoryDisk, SqliteDisk
from perdure.testing.simulation import Season, simulate, trace_of
from tests.crash.broken import patched
from tests.crash.weather import Planned, clerk

SEEDS_FILE = Path(__file__).with_name("seeds.txt")
SEEDS_IN_MAKE_TEST = 60
SEEDS_AT_ONCE = 15
SEEDS = 3000


def kept_seeds() -> dict[int, str]:
    """Return the seeds that failed once, each with what it showed."""
    lines = [line for line in SEEDS_FILE.read_text().splitlines() if line and not line.startswith("#")]
    return {int(seed): told for seed, told in (line.split(maxsplit=1) for line in lines)}


def season_of(seeds: Iterable[int]) -> Season:
    """Play these seeds, each with the plan that it draws."""
    played = [
        simulate(clerk, "Do it all.", make_world=partial(Planned, seed), seeds=[seed]) for seed in seeds
    ]
    return Season(
        sum(each.seeds for each in played),
        sum(each.deaths for each in played),
        sum(each.stops for each in played),
        tuple(bad for each in played for bad in each.bad),
    )


@pytest.mark.parametrize("first", range(0, SEEDS_IN_MAKE_TEST, SEEDS_AT_ONCE))
def test_no_weather_loses_or_doubles_anything(first: int):
    found = season_of(range(first, first + SEEDS_AT_ONCE))
    found.check()
    assert found.deaths > SEEDS_AT_ONCE


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_failed_once_does_not_fail_again(seed: int):
    assert len(kept_seeds()[seed]) > 20
    season_of([seed]).check()


def test_the_same_seed_plays_the_same_history():
    one, two = (trace_of(clerk, "Do it all.", make_world=partial(Planned, 17), seed=17) for _ in range(2))
    assert one == two
    assert one.count("life 2") > 10


@pytest.mark.parametrize("seed", [3, 5])
def test_both_stores_play_the_same_history(seed: int):
    one, two = (
        trace_of(clerk, "Do it all.", make_world=partial(Planned, seed), seed=seed, make_disk=disk)
        for disk in (MemoryDisk, SqliteDisk)
    )
    assert one == two


def test_snapshots_at_every_turn_change_nothing():
    with patched((writer, "SNAPSHOT_EVENTS", 3)):
        season_of(range(300, 330)).check()


@pytest.mark.soak
def test_thousands_of_seeds_hold():
    season_of(range(SEEDS)).check()
