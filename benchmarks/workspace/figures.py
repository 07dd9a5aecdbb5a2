"""The whole benchmark: which measurements are taken, at which length."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.workspace import ours
from benchmarks.workspace.bench import Bench
from benchmarks.workspace.rows import Row
from benchmarks.workspace.systems import BASELINES, METHODS, absent

SMALL, LARGE = 5_000, 50_000
QUICK_S, SLOW_S = 0.3, 2.0
MANY = 16


class Plan(NamedTuple):
    """How many turns each part gets; 0 leaves it out."""

    small: int
    """perdure, 0.3 s, the small tree"""
    baselines: int
    small_others: int
    slow: int
    """2 s"""
    alone: bool
    """perdure's levels one after the other; else side by side, which turns that mostly wait hardly notice"""
    large: int
    """the large tree"""
    large_levels: tuple[str, ...]
    large_shrink: int
    """how many times smaller its files are; 1 makes 1 GB, whose first record takes half a minute"""
    large_others: int
    many: int
    """sixteen agents in one process"""
    many_files: int
    """in the tree of each"""
    processes: int
    """sixteen processes"""
    restores: int
    """steps back of perdure on the small tree"""


QUICK = Plan(
    small=40,
    baselines=16,
    small_others=3,
    slow=6,
    alone=False,
    large=3,
    large_levels=("L0",),
    large_shrink=5,
    large_others=0,
    many=3,
    many_files=1_000,
    processes=0,
    restores=3,
)
FULL = Plan(
    small=40,
    baselines=40,
    small_others=40,
    slow=40,
    alone=True,
    large=24,
    large_levels=("L0", "L1"),
    large_shrink=1,
    large_others=8,
    many=20,
    many_files=SMALL,
    processes=20,
    restores=9,
)


class Cost(NamedTuple):
    """All rows, and what could not be measured, with the reason."""

    rows: list[Row]
    absent: dict[str, str]

    def row(
        self, system: str, *, files: int = SMALL, wait_s: float = QUICK_S, setting: str = "1 agent"
    ) -> Row | None:
        """Return the row of that setting, if it was measured."""
        asked = (system, setting, files, wait_s)
        return next(
            (row for row in self.rows if (row.system, row.setting, row.files, row.wait_s) == asked), None
        )


def measure_cost(plan: Plan, say: Callable[[str], None]) -> Cost:
    """Measure everything that ``plan`` asks for; QUICK takes about three minutes."""
    missing = {name: why for name in (*ours.SYSTEMS, *METHODS) if (why := absent(name))}
    for name, why in missing.items():
        say(f"not measured: {name}: {why}")
    levels = [name for name in ours.LEVELS if name not in missing]
    others = [name for name in METHODS if name not in missing]
    with tempfile.TemporaryDirectory(prefix="perdure-cost-") as place:
        return Cost(_rows(Bench(Path(place), say), plan, levels, others, say), missing)


def _rows(
    bench: Bench, plan: Plan, levels: list[str], others: list[str], say: Callable[[str], None]
) -> list[Row]:
    def turns(system: str) -> int:
        if system in METHODS:
            return plan.small_others
        return plan.baselines if system in BASELINES else plan.small

    say(f"{SMALL} files, the model thinks {QUICK_S} s")
    if plan.alone:
        rows = bench.in_turn([*levels, *others], SMALL, QUICK_S, turns, restores=plan.restores)
    else:
        rows = bench.side_by_side(levels, SMALL, QUICK_S, plan.small, restores=plan.restores)
        rows += bench.in_turn(others, SMALL, QUICK_S, turns, restores=1)
    say(f"{SMALL} files, the model thinks {SLOW_S} s")
    if plan.alone:
        rows += bench.in_turn([*levels, *others], SMALL, SLOW_S, lambda _: plan.slow)
    else:
        rows += bench.side_by_side(levels, SMALL, SLOW_S, plan.slow)
    say(f"{LARGE} files, the model thinks {QUICK_S} s")
    at_large = [each for each in levels if each in plan.large_levels]
    rows += bench.in_turn(
        [*at_large, *(others if plan.large_others else ())],
        LARGE,
        QUICK_S,
        lambda system: plan.large_others if system in METHODS else plan.large,
        shrink=plan.large_shrink,
        restores=1 if plan.large_others else 0,
    )
    say(f"{MANY} agents, {plan.many_files} files each, the model thinks {SLOW_S} s")
    without_services = [each for each in levels if each != "L2"]
    rows += bench.crowd(without_services, plan.many_files, SLOW_S, plan.many, MANY)
    if plan.processes:
        rows += bench.processes(without_services, plan.many_files, SLOW_S, plan.processes, MANY)
    return rows


def cost_figures(cost: Cost) -> dict[str, Any]:
    """Return the figures of the goals at 5,000 files, the worse of L0 and L1 for each, and every row."""
    low, high = cost.row("L0"), cost.row("L1")
    if low is None:
        raise OSError("L0 was not measured")
    quick = [row for row in (low, high) if row is not None]
    slow = [row for level in ("L0", "L1") if (row := cost.row(level, wait_s=SLOW_S)) is not None]
    return {
        "critical_path_300ms": max(row.share for row in quick),
        "critical_path_2s": max(row.share for row in slow),
        "critical_path_ms": {_name(row): row.path_ms for row in (*quick, *slow)},
        "cpu_ms_l0": low.cpu_ms,
        "cpu_ms_l1": high.cpu_ms if high is not None else None,
        "skipped": min(row.skipped / row.looks for row in quick),
        "bytes_per_turn": max(row.bytes_per_turn for row in quick),
        "restore_ms": max(row.restore_ms for row in quick),
        "rss_mb_50000_files": max((row.rss_mb for row in cost.rows if row.files == LARGE), default=None),
        "cost_absent": cost.absent,
        "cost": [{name: _rounded(value) for name, value in row._asdict().items()} for row in cost.rows],
    }


def _name(row: Row) -> str:
    return f"{row.system}, {row.setting}, {row.files} files, {row.wait_s} s"


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
