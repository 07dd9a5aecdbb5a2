"""What a measurement says beside the baseline of the same run.

The baseline is the same agent with the same commands in the same shell, and no workspace that anybody keeps. Its
critical path and its CPU time are taken off; what is left is what keeping a workspace costs.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.workspace.course import Course, Measured


class Row(NamedTuple):
    """One system in one setting."""

    system: str
    setting: str
    """how many agents, and where"""
    files: int
    wait_s: float
    turns: int
    path_ms: float
    """what it adds to the critical path of a turn, in the median"""
    path_ms_p99: float
    """the worst of a hundred turns against the baseline's median"""
    share: float
    """``path_ms`` of the whole turn"""
    cpu_ms: float
    """CPU time that it adds to a turn, in the mean, with all processes that it starts"""
    look_ms: float
    """how long one look at the workspace takes, in the median; the model thinks meanwhile"""
    looks_s: float
    """all looks together, as if nobody had thought meanwhile"""
    tool_ms: float
    """what it adds to a command of the shell, in the median"""
    skipped: int
    """looks that found nothing to keep"""
    looks: int
    bytes_per_turn: float
    restore_ms: float
    """going back over one turn that had changed files, in the median"""
    first_look_ms: float
    """recording the whole tree for the first time"""
    rss_mb: float
    """the largest memory of the process itself"""
    rss_back_mb: float
    """the same after it went back"""


def compared(course: Course, found: Sequence[Measured], base: Sequence[Measured]) -> Row:
    """Return what ``course`` came to, in one process or several, beside its baseline."""
    path, idle = _all(found, _path), median(_all(base, _path))
    tool, plain = median(_all(found, _tool)), median(_all(base, _tool))
    whole = median([each for one in found for each in one.whole_ms])
    added = median(path) - idle
    agents = len(found) * len(course.trees)
    return Row(
        system=course.system,
        setting="1 agent" if agents == 1 else f"{agents} agents",
        files=course.files,
        wait_s=course.wait_s,
        turns=course.turns,
        path_ms=added,
        path_ms_p99=high(path) - idle,
        share=added / whole,
        cpu_ms=_cpu(found) - _cpu(base),
        look_ms=median(_all(found, lambda each: each.look_ms)),
        looks_s=sum(_all(found, lambda each: each.look_ms)) / 1000 / agents,
        tool_ms=tool - plain,
        skipped=sum(each.skipped for each in found),
        looks=sum(each.looks for each in found),
        bytes_per_turn=_mean([each.bytes_per_turn for each in found])
        - _mean([each.bytes_per_turn for each in base]),
        restore_ms=median(_all(found, lambda each: each.restore_ms)),
        first_look_ms=median(_all(found, lambda each: each.first_look_ms)),
        rss_mb=max(each.rss_mb for each in found),
        rss_back_mb=max(each.rss_back_mb for each in found),
    )


def median(values: Sequence[float]) -> float:
    """Return the median; 0 where there are none."""
    return statistics.median(values) if values else 0.0


def high(values: Sequence[float]) -> float:
    """Return the 99th percentile, which is the worst of fewer than a hundred."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))] if ordered else 0.0


def _all(found: Sequence[Measured], of: Callable[[Measured], list[float]]) -> list[float]:
    return [each for one in found for each in of(one)]


def _path(one: Measured) -> list[float]:
    return one.path_ms


def _tool(one: Measured) -> list[float]:
    return one.tool_ms


def _cpu(found: Sequence[Measured]) -> float:
    return _mean(_all(found, lambda each: each.cpu_ms))


def _mean(values: Sequence[float]) -> float:
    return statistics.mean(values) if values else 0.0
