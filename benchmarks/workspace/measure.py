"""One measurement, in a process of its own: `python -m benchmarks.workspace.measure COURSE` prints one JSON line.

A process for each, so that CPU time and memory are those of what is measured alone. Its trees are there
already. A short run before the measured one loads the code and makes the first full record; then the process
says "ready" and waits for a line, so that many of them can begin together.
"""

import fcntl
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

import perdure
from benchmarks.workspace import ours
from benchmarks.workspace.course import Course, Measured
from benchmarks.workspace.marks import Marks
from benchmarks.workspace.systems import Keeping, agent_of
from benchmarks.workspace.trees import Turn, trace
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.assembly.run import Run
from perdure.assembly.store import Store
from perdure.log import events as e

SETTLING_TURNS = 2
"""Turns at the start that don't count: the first look of a new process may read the whole tree, and a service is
started in the first."""


def measure(course: Course) -> Measured:
    """Run the course."""
    kept = Path(course.kept)
    keeping = Keeping(course.system, kept / "method")
    with _opened(kept, keeping) as store:
        first = _Fleet(store, course, "warm", trace(course.files, 1, seed=-1), 0.0).finish()
    before = _bytes(kept)
    print("ready", flush=True)
    sys.stdin.readline()
    turns = trace(course.files, course.turns + SETTLING_TURNS, seed=course.seed)
    if course.system == "L2":
        turns[0] = ours.SERVICE
    with _opened(kept, keeping) as store:
        fleet = _Fleet(store, course, "timed", turns, course.wait_s)
        marks = fleet.finish()
    grown = _bytes(kept) - before
    times = [each for mark in marks for each in mark.turns()[SETTLING_TURNS:]]
    found = [each for mark in marks for each in mark.found[SETTLING_TURNS:]]
    return Measured(
        path_ms=_ms(each.path for each in times),
        whole_ms=_ms(each.whole for each in times),
        tool_ms=_ms(each.tool for each in times),
        look_ms=_ms(each for mark in marks for each in mark.records[SETTLING_TURNS:]),
        first_look_ms=_ms(mark.records[0] for mark in first if mark.records),
        cpu_ms=_cpu(marks),
        bytes_per_turn=grown / (len(turns) * len(marks)),
        skipped=sum(each.what == "none" for each in found),
        looks=len(found),
        rss_mb=_rss_mb(),
        restore_ms=_steps_back(kept, keeping, course.restores),
        rss_back_mb=_rss_mb(),
    )


class _Fleet:
    """The agents of a course at work, one in each of its trees."""

    def __init__(self, store: Store, course: Course, name: str, turns: Sequence[Turn], wait_s: float) -> None:
        made = [agent_of(course.system, Path(tree), turns, wait_s) for tree in course.trees]
        self._agents = [agent for agent, _ in made]
        self._marks = [marks for _, marks in made]
        for agent in self._agents:
            agent.rules()  # an agent is made ready once, not once for each of its runs
        self._runs = [
            store.start(agent, "go", run=f"{name}-{index}") for index, agent in enumerate(self._agents)
        ]

    def finish(self) -> list[Marks]:
        """Return the instants of all runs, once they have ended."""
        for run in self._runs:
            _finished(run)
        return self._marks


def _steps_back(kept: Path, keeping: Keeping, steps: int) -> list[float]:
    """Return the milliseconds of going back over the last turns of the first run that changed files, one by one."""
    took: list[float] = []
    if not steps:
        return took
    run = "timed-0"
    # Those that were measured side by side go back one after the other.
    with (kept.parent / "going-back").open("w") as turn, _opened(kept, keeping) as store:
        fcntl.flock(turn, fcntl.LOCK_EX)
        taken = [each for each in store.events(run) if isinstance(each.body, e.CheckpointTaken)]
        for each in reversed(taken[:-1][-steps:]):
            began = time.perf_counter()
            keeping.go_back(store, run, each)
            took.append((time.perf_counter() - began) * 1000)
    return took


def _finished(run: Run) -> None:
    outcome = run.wait()
    if not isinstance(outcome, perdure.Finished):
        raise SystemExit(f"run {run.name} did not finish: {outcome}")


def _opened(kept: Path, keeping: Keeping) -> Store:
    store = perdure.open(kept / "store")
    store.house = House(store.books, SystemClock(), scratch=kept / "scratch", make_ports=keeping.make_ports)
    return store


def _cpu(marks: Sequence[Marks]) -> list[float]:
    """Return CPU milliseconds for each turn: of the one agent, or the mean over all that ran side by side."""
    if len(marks) == 1:
        return [(after - before) * 1000 for before, after in pairwise(marks[0].cpu[SETTLING_TURNS:])]
    turns = sum(len(mark.cpu) - 1 - SETTLING_TURNS for mark in marks)
    begins, ends = min(mark.cpu[SETTLING_TURNS] for mark in marks), max(mark.cpu[-1] for mark in marks)
    return [(ends - begins) / turns * 1000]


def _rss_mb() -> float:
    """Return the most memory that this process has had; what it was forked from doesn't count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _ms(seconds: Iterable[float]) -> list[float]:
    return [each * 1000 for each in seconds]


def _bytes(kept: Path) -> int:
    """Return what store and method take up on disk; a further name of a file takes nothing."""
    paths = (path for part in ("store", "method") for path in (kept / part).rglob("*"))
    found = {(each.st_dev, each.st_ino): each for path in paths if (each := path.lstat())}
    return sum(each.st_blocks * 512 for each in found.values())


if __name__ == "__main__":
    print(msgspec.json.encode(measure(msgspec.json.decode(sys.argv[1], type=Course))).decode())
