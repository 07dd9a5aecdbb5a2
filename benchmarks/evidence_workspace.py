"""`make evidence-workspace`: everything that workspaces must show, measured now; the last line is one JSON object.

Parts run one after the other, so that none disturbs another's figures; each says on stderr what it does. A part
that fails ends the whole with its error: a figure is measured in this run or not printed at all. Cost comes first,
while nothing else has warmed or filled anything.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness.checkpoints import checkpoint_figures
from benchmarks.harness.detector import detector_figures
from benchmarks.harness.false_alarms import false_alarm_figures
from benchmarks.harness.losses import loss_figures
from benchmarks.harness.recovery import recovery_figures
from benchmarks.probes import machine
from benchmarks.workspace.figures import QUICK, cost_figures, measure_cost
from benchmarks.workspace.setup import restic_installed
from perdure.assembly.files.shelter import ladder_of

Figures = dict[str, Any]


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def ladder_figures() -> Figures:
    """How far up the ladder this machine gets, and why not further."""
    with tempfile.TemporaryDirectory() as place:
        root, scratch = Path(place) / "root", Path(place) / "scratch"
        root.mkdir()
        scratch.mkdir()
        ladder = ladder_of(root, scratch)
    return {
        "level": ladder.level,
        "missing_rungs": {rung.name: rung.why for rung in ladder.rungs if not rung.ok},
    }


def _counted(recovery: Figures) -> Figures:
    """The same with the number of tasks that nothing is claimed of, and their reasons beside it."""
    return {
        **recovery,
        "not_claimed": len(recovery["not_claimed"]),
        "not_claimed_why": recovery["not_claimed"],
    }


PARTS: tuple[tuple[str, Callable[[], Figures]], ...] = (
    ("the ladder of this machine", ladder_figures),
    ("restic, to compare with", lambda: {"restic": restic_installed() or "installed"}),
    ("what a checkpoint costs", lambda: cost_figures(measure_cost(QUICK, say))),
    ("misses of the detectors", detector_figures),
    ("false alarms over real commands", false_alarm_figures),
    ("crash enumeration of checkpoints and restores", checkpoint_figures),
    ("a user who rewinds", loss_figures),
    ("recovery over the corpus", lambda: _counted(recovery_figures(say))),
)


def main() -> None:
    """Measure everything and print it."""
    began = time.perf_counter()
    figures: Figures = {"machine": machine()}
    for name, part in PARTS:
        say(name)
        part_began = time.perf_counter()
        found = part()
        say(f"  {time.perf_counter() - part_began:.0f} s: {json.dumps(found)}")
        figures.update(found)
    figures["seconds"] = round(time.perf_counter() - began)
    print(json.dumps({name: _short(value) for name, value in figures.items()}))


def _short(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
