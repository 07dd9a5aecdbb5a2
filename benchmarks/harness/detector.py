"""Misses of the detectors, over drawn operations: whatever is done to a directory has to be found.

The properties are those of the tests (`tests/workspace/test_scan_property.py`, `tests/sandbox/test_landing.py`); here
they are played from seeds and counted. A miss is a play after which the scanner, or the overlay, says otherwise than
the plain truth. Broken scanners stand beside ours and have to miss.
"""

import random
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from perdure.adapters.sandboxes.ladder import probe
from perdure.adapters.sandboxes.removal import uprooted
from tests.sandbox.ground import ground
from tests.sandbox.mutations import PATHS, VERBS, Deed, look, planted
from tests.sandbox.test_landing import differences, landed_and_seen, untold
from tests.workspace import test_scan_property as scanning

WORKERS: Final = 2
OPERATIONS_MAX: Final = 25
DEEDS_MAX: Final = 12

Make = Callable[..., Any]

SCANNERS: Final[dict[str, tuple[Make, bool]]] = {
    "whole": (scanning.whole, False),
    "coarse clock": (scanning.on_a_coarse_clock, False),
    "named paths": (scanning.whole, True),
}
BROKEN: Final[dict[str, Make]] = {
    "by size and time": scanning.with_marks(scanning.by_size_and_time),
    "without modes": scanning.with_marks(scanning.without_modes),
    "without the racy rule": scanning.without_the_racy_rule,
    "by kind alone": scanning.that_remembers_too_much,
}


class Counted(NamedTuple):
    """What plays came to."""

    plays: int = 0
    operations: int = 0
    misses: int = 0
    first: str = ""

    def plus(self, other: "Counted") -> "Counted":
        """Return both together."""
        return Counted(
            self.plays + other.plays,
            self.operations + other.operations,
            self.misses + other.misses,
            self.first or other.first,
        )


def detector_figures(plays: int = 150, *, overlays: int = 60, broken: int = 60) -> dict[str, Any]:
    """Play so many times with each scanner, with the overlay where there is one, and with each broken scanner."""
    with ProcessPoolExecutor(WORKERS) as pool:
        found = {
            name: _sum(pool.map(partial(scanned, name), range(plays), chunksize=10)) for name in SCANNERS
        }
        shares = [range(nth, overlays, WORKERS) for nth in range(WORKERS)]
        found["overlay"] = _sum(pool.map(overlaid, shares))
        builds = {
            name: _sum(pool.map(partial(scanned, name), range(broken), chunksize=10)) for name in BROKEN
        }
    every = _sum(found.values())
    return {
        "operations": every.operations,
        "misses": every.misses,
        "first_miss": every.first,
        "operations_by_detector": {name: each.operations for name, each in found.items()},
        "misses_broken": {name: each.misses for name, each in builds.items()},
    }


def scanned(name: str, seed: int) -> Counted:
    """Play the operations of ``seed`` before the scanner of that name."""
    make, exact = SCANNERS[name] if name in SCANNERS else (BROKEN[name], False)
    chance = random.Random(f"detector-{seed}")
    kinds = [*scanning.KINDS, "look", "look", "look", "settle"]
    operations = [
        scanning.Op(chance.choice(kinds), *(chance.randrange(41) for _ in range(3)))
        for _ in range(chance.randrange(1, OPERATIONS_MAX + 1))
    ]
    done = sum(each.kind in scanning.KINDS for each in operations)
    try:
        scanning.play(operations, make, exact=exact)
    except AssertionError as wrong:
        return Counted(1, done, 1, f"{name}, seed {seed}: {str(wrong)[:200]}")
    return Counted(1, done)


def overlaid(seeds: Iterable[int]) -> Counted:
    """Play deeds in a real sandbox: what lands is what the command saw, and each changed path is told."""
    place = Path(tempfile.mkdtemp(prefix="perdure-overlay-"))
    count = Counted()
    try:
        here = ground(place)
        ladder = probe(here.root, here.scratch)
        if not ladder.rung("overlay").ok:
            return count
        box = here.sandbox(ladder=ladder)
        for seed in seeds:
            changes = _deeds(random.Random(f"overlay-{seed}"))
            planted(box.root)
            before = look(box.root)
            landed, seen, told = landed_and_seen(box, changes)
            wrong = [*differences(landed, seen), *untold(before, landed, told)]
            first = f"overlay, seed {seed}: {', '.join(wrong)[:200]}" if wrong else ""
            count = count.plus(Counted(1, len(changes), bool(wrong), first))
    finally:
        uprooted(place)
    return count


def _deeds(chance: random.Random) -> list[Deed]:
    return [
        (chance.choice(VERBS), chance.choice(PATHS), chance.choice(PATHS), chance.randrange(10))
        for _ in range(chance.randrange(1, DEEDS_MAX + 1))
    ]


def _sum(counts: Iterable[Counted]) -> Counted:
    total = Counted()
    for each in counts:
        total = total.plus(each)
    return total
