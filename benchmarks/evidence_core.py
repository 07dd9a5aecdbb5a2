"""`make evidence-core`: everything that the core must show, measured now; the last line is one JSON object.

Parts run one after the other, so that none disturbs another's figures; each says on stderr what it does. A
part that fails ends the whole with its error: a figure is measured in this run or not printed at all.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import history
from benchmarks.harness.crash import crash_figures, resumer_figures, rewording_figures, weather_figures
from benchmarks.harness.sigkill import sigkill_figures
from benchmarks.harness.tampering import tampering_figures
from benchmarks.probes import machine
from benchmarks.speed import disk_figures, speed_figures
from perdure.testing.power import power_cuts

EVENTS = 1_000_000
POWER_CUTS = 60
KILLS = 200
REWORDINGS = 1_000
ROUNDS = 3

Figures = dict[str, Any]


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def long_log() -> Figures:
    """A log of a million events: its state anywhere, and its verification."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "long"
        built = history.build(directory, EVENTS)
        at = history.measure_at(directory, EVENTS)
        verified = history.measure_verify(directory)
        shutil.rmtree(directory)
        resumed = history.measure_resume(Path(place) / "resumed")
    return {**built, **at, **verified, **resumed}


def power() -> Figures:
    """A disk that forgets what was not synced: with syncs, and with the syncs left out."""
    ours, broken = power_cuts(POWER_CUTS), power_cuts(POWER_CUTS, synchronous="OFF")
    return {
        "power_cuts": ours.cuts,
        "power_cut_losses": ours.lost + ours.unreadable,
        "power_cut_losses_sync_off": broken.lost + broken.unreadable,
    }


def help_time() -> Figures:
    """What `perdure --help` takes as a process, beside an interpreter that does nothing."""

    def took(command: list[str]) -> float:
        times: list[float] = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times) * 1000

    bare = took([sys.executable, "-c", "pass"])
    return {"help_ms": took([str(Path(sys.executable).parent / "perdure"), "--help"]), "bare_python_ms": bare}


PARTS: tuple[tuple[str, Callable[[], Figures]], ...] = (
    ("help", help_time),
    ("durable turns against peers and the bare disk", lambda: speed_figures(ROUNDS, say)),
    ("bytes on disk", disk_figures),
    ("a log of a million events", long_log),
    ("tampering", tampering_figures),
    ("power cuts", power),
    ("crash enumeration", crash_figures),
    ("rewording", lambda: rewording_figures(REWORDINGS)),
    ("bad weather", weather_figures),
    ("concurrent resumers", resumer_figures),
    ("SIGKILL of the real process", lambda: sigkill_figures(KILLS)),
)


def main() -> None:
    """Measure everything and print it."""
    began = time.perf_counter()
    figures: Figures = {"machine": machine()}
    for name, part in PARTS:
        say(name)
        found = part()
        found.pop("rounds", None)
        say("  " + json.dumps(found))
        figures.update(found)
    # Whatever was acknowledged and is gone is lost, whoever killed or cut.
    figures["lost"] += figures["sigkill_lost"] + figures["power_cut_losses"]
    figures["seconds"] = round(time.perf_counter() - began)
    print(json.dumps({name: _short(value) for name, value in figures.items()}))


def _short(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
