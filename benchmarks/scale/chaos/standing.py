"""How far the runs of a trial have come: who still moves, and who waits for a person."""

import time
from typing import Final, NamedTuple

import perdure
from benchmarks.scale.chaos.oracle import ENDED, is_parked

SOON_NS: Final = 3600 * 10**9
"""A time further away than this is an approval's end, a week ahead: nothing that a trial could wait for."""


class Standing(NamedTuple):
    """How many runs still move, how many wait for a person, and how many events there are."""

    moving: int
    resting: int
    told: int


def standing_of(store: perdure.Store) -> Standing:
    """Return how the runs stand now."""
    rows = store.runs()
    open_rows = [row for row in rows if row.status not in ENDED]
    soon = time.time_ns() + SOON_NS
    resting = [row for row in open_rows if row.status == "waiting" and (row.wake is None or row.wake > soon)]
    parked = [row for row in open_rows if row.status == "running" and is_parked(store, row.run)]
    moving = len(open_rows) - len(resting) - len(parked)
    return Standing(moving, len(resting) + len(parked), sum(row.position for row in rows))
