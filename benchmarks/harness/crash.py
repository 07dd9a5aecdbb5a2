"""Every death of a program, re-worded requests after going back, and many who resume at once: what they count.

The harnesses are those of the tests (`tests/crash`), with more histories: each case dies at every moment and at
pairs of moments, and beside our zeros stand the counts of builds that are broken on purpose.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from perdure.testing.disks import MemoryDisk, SqliteDisk
from tests.crash.broken import broken_builds
from tests.crash.cases import CASES
from tests.crash.crowd import BUDGET, PRICE, crowd
from tests.crash.resumers import PLACES, RESUMERS, race
from tests.crash.rewording import Counts, rewording
from tests.crash.test_enumeration import enumerate_case
from tests.crash.test_simulation import season_of

WORKERS = 2
"""Processes at once: what the machine has cores for."""

PAIRS_MAX: int | None = None
"""Pairs of deaths tried of each case: all of them. A number leaves the rest out, which is counted and told."""


def crash_figures(pairs_max: int | None = PAIRS_MAX) -> dict[str, Any]:
    """Kill every case at each moment and at pairs of moments; then the builds that must be caught."""
    began = time.perf_counter()
    with ProcessPoolExecutor(WORKERS) as pool:
        broken = pool.submit(broken_builds)
        reports = list(pool.map(enumerate_case, CASES, [pairs_max] * len(CASES)))
        builds = {name: counts._asdict() for name, counts in broken.result().items()}
    caught = [
        name
        for name, counts in builds.items()
        if any(value for key, value in counts.items() if key != "histories")
    ]
    return {
        "crash_histories": sum(each.histories for each in reports),
        "crash_pairs": sum(each.pairs for each in reports),
        "crash_pairs_left_out": sum(each.left_out for each in reports),
        "crash_cases": len(reports),
        "lost": sum(each.lost + each.forgotten for each in reports),
        "duplicates": sum(each.duplicates for each in reports),
        "needless_stops": sum(each.needless_stops for each in reports),
        "faults": sum(each.faults for each in reports),
        "stops": sum(each.stops for each in reports),
        "broken_builds": builds,
        "broken_builds_caught": len(caught),
        "broken_builds_missed": sorted(set(builds) - set(caught)),
        "crash_seconds": round(time.perf_counter() - began, 1),
    }


def rewording_figures(cases: int = 1_000, seed: int = 0) -> dict[str, Any]:
    """Play so many cases with what the tools should declare, and as many without."""
    with ProcessPoolExecutor(WORKERS) as pool:
        shares = [(start, min(start + 50, seed + cases)) for start in range(seed, seed + cases, 50)]
        played = list(pool.map(_reworded, shares))
    declared, undeclared = Counts(), Counts()
    for told, untold in played:
        declared, undeclared = declared.plus(told), undeclared.plus(untold)
    return {
        "rewordings": declared.cases,
        "reworded_duplicates": declared.duplicates,
        "reworded_swallowed": declared.swallowed,
        "reworded_declared": declared._asdict(),
        "reworded_undeclared": undeclared._asdict(),
    }


def _reworded(share: tuple[int, int]) -> tuple[Counts, Counts]:
    declared, undeclared = Counts(), Counts()
    for number in range(*share):
        declared = declared.plus(rewording(number, declared=True))
        undeclared = undeclared.plus(rewording(number, declared=False))
    return declared, undeclared


def weather_figures(seeds: int = 600, crowds: int = 150) -> dict[str, Any]:
    """Play seeds of bad weather, and of several runs of one tenant at once."""
    with ProcessPoolExecutor(WORKERS) as pool:
        seasons = list(pool.map(season_of, [range(start, start + 50) for start in range(0, seeds, 50)]))
        played = list(pool.map(crowd, range(crowds), chunksize=25))
    return {
        "weather_seeds": sum(each.seeds for each in seasons) + len(played),
        "weather_deaths": sum(each.deaths for each in (*seasons, *played)),
        "weather_bad_seeds": sum(len(each.bad) for each in seasons)
        + sum(not each.judged.ok or each.paid * PRICE > BUDGET for each in played),
    }


def resumer_figures() -> dict[str, Any]:
    """Let eight resume one run at once, wherever the first program died, on both stores."""
    races = [race(disk, place) for disk in (MemoryDisk, SqliteDisk) for place in PLACES]
    return {"simulated_resumers": RESUMERS, "simulated_firings_max": max(each.firings for each in races)}
