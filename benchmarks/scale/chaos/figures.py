"""What the chaos trials come to, for ``make evidence-scale``: the whole fleet, and the builds that must be caught.

    python -m benchmarks.scale.chaos.figures [--seconds N] [--seed S]

prints it as one JSON object.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.scale.chaos.oracle import Verdict
from benchmarks.scale.chaos.trial import Trial, Wish, trial_of

Figures = dict[str, Any]
Say = Callable[[str], None]

FLEET_SECONDS: Final = 60.0
IN_FLIGHT_MIN: Final = 120
"""Aimed at, so that a hundred and more have surely landed in flight, as the oracle counts."""
ROUNDS_MAX: Final = 4
"""So often a broken build is given the chance to be caught: when its processes meet is the machine's."""

_SMALL: Final = Wish(
    workers=3,
    runs=14,
    seconds=7.0,
    patience=12.0,
    pause=(0.2, 0.6),
    strikes=0.0,
    appends=0.0,
    failovers=0,
    standby=False,
    objects=False,
)


class Breach(NamedTuple):
    """A broken build: what the trial has to be like for it to show, and what is counted."""

    name: str
    wish: Wish
    counted: Callable[[Verdict], int]


BREACHES: Final = (
    Breach(
        "fencing-off",
        _SMALL._replace(
            broken="fencing-off",
            kinds={},
            appends=0.4,
            seconds=6.0,
            patience=30.0,
            stopped_seconds=(10.0, 11.0),
        ),
        lambda verdict: len(verdict.stale) + len(verdict.faults),
    ),
    Breach(
        "claims-off",
        _SMALL._replace(broken="claims-off", kinds={}, rivals=True, seconds=3.0),
        lambda verdict: len(verdict.duplicates),
    ),
    Breach(
        "notify-lost",
        _SMALL._replace(broken="notify-lost", kinds={}, seconds=3.0, patience=6.0),
        lambda verdict: len(verdict.stranded),
    ),
)


def chaos_figures(seconds: float = FLEET_SECONDS, seed: int = 1, say: Say = print) -> Figures:
    """Play the whole trial, then the broken builds; return the counts of all."""
    say(f"  chaos: seed {seed}")
    found = played(Wish(seconds=seconds, in_flight=IN_FLIGHT_MIN, seed=seed), say)
    breaches = {breach.name: caught(breach, seed, say) for breach in BREACHES}
    return {
        **found,
        "chaos_seed": seed,
        "broken_builds": breaches,
        "broken_builds_caught": sum(count > 0 for count in breaches.values()),
    }


def played(wish: Wish, say: Say) -> Figures:
    """Play one trial and return its counts; what is wrong is said line by line."""
    with tempfile.TemporaryDirectory(prefix="perdure-chaos-") as place, trial_of(wish, Path(place)) as trial:
        verdict, left = trial.run()
        for line in verdict.lines():
            say(f"  {line}")
        return figures_of(trial, verdict, left)


def figures_of(trial: Trial, verdict: Verdict, left: int) -> Figures:
    """Return the counts of a trial."""
    kinds = Counter(fault.kind for fault in trial.faults if fault.kind != "end")
    return {
        "workers": trial.wish.workers,
        "runs": trial.wish.runs,
        "faults": sum(kinds.values()),
        "faults_in_flight": verdict.in_flight,
        "failovers": trial.pair.failovers,
        "lost": len(verdict.lost),
        "duplicates": len(verdict.duplicates),
        "stranded": len(verdict.stranded) + left,
        "needless_stops": len(verdict.needless),
        "stale_writes_accepted": len(verdict.stale),
        "stale_writes_refused": verdict.refusals,
        "other_faults": len(verdict.untruths) + len(verdict.faults),
        "stops_with_reason": verdict.stops,
        "parked": len(verdict.parked),
        "acknowledged": verdict.acknowledged,
        "takeover_s": statistics.median(verdict.takeovers_s) if verdict.takeovers_s else None,
        "takeover_max_s": max(verdict.takeovers_s, default=None),
        "kinds": dict(kinds),
    }


def caught(breach: Breach, seed: int, say: Say) -> int:
    """Return the count by which a broken build is caught, or 0 if it never is."""
    for turn in range(ROUNDS_MAX):
        wish = breach.wish._replace(seed=seed + turn)
        with (
            tempfile.TemporaryDirectory(prefix="perdure-chaos-") as place,
            trial_of(wish, Path(place)) as trial,
        ):
            verdict, _ = trial.run(settle=False)
        count = breach.counted(verdict)
        if count:
            say(f"  {breach.name}: {count}")
            return count
    return 0


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.chaos.figures")
    parser.add_argument("--seconds", type=float, default=FLEET_SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    began = time.monotonic()
    found = chaos_figures(words.seconds, words.seed, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps({**found, "seconds": round(time.monotonic() - began)}))
    wrong = ("lost", "duplicates", "stranded", "needless_stops", "stale_writes_accepted", "other_faults")
    return 0 if not any(found[name] for name in wrong) else 1


if __name__ == "__main__":
    sys.exit(main())
