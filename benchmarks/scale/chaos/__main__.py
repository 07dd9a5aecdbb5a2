"""Chaos over a fleet of real processes; the last line is one JSON object.

    python -m benchmarks.scale.chaos [--seconds N] [--seed S] [--workers N] [--runs N] [--broken NAME] [--keep DIR]

The seed draws jobs, strikes and faults, and is printed; when each fault lands is the machine's.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scale.chaos.figures import figures_of
from benchmarks.scale.chaos.hooks import BREAKS
from benchmarks.scale.chaos.trial import Wish, trial_of


def main() -> int:
    """Play one trial and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.chaos")
    parser.add_argument("--seconds", type=float, default=120.0, help="while jobs come and faults land")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--failovers", type=int, default=1)
    parser.add_argument("--broken", choices=["", *BREAKS], default="")
    parser.add_argument(
        "--keep",
        type=Path,
        help="a directory that stays, with journals, what workers said, and the logs of runs that are named",
    )
    words = parser.parse_args()
    wish = Wish(
        words.workers, words.runs, words.seconds, words.seed, failovers=words.failovers, broken=words.broken
    )
    print(f"seed {words.seed}", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="perdure-chaos-") as made:
        place = words.keep or Path(made)
        place.mkdir(parents=True, exist_ok=True)
        with trial_of(wish, place) as trial:
            verdict, left = trial.run()
    for line in verdict.lines():
        print(line, file=sys.stderr)
    figures = {
        **figures_of(trial, verdict, left),
        "seed": words.seed,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures))
    return 0 if verdict.ok and not left else 1


if __name__ == "__main__":
    sys.exit(main())
