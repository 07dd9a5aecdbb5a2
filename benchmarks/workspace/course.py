"""What is measured, and what comes of it: the nouns of the benchmark, and the processes that do it."""

import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

MINUTES_MAX = 8
"""One measurement of the largest tree, by the slowest method; more means that it hangs."""


class Course(NamedTuple):
    """A system, at work on trees of ``files`` files, for ``turns`` turns in which the model thinks ``wait_s`` seconds."""

    system: str
    files: int
    wait_s: float
    turns: int
    trees: tuple[str, ...]
    """a directory for each agent of the process"""
    kept: str
    """where the system keeps what it keeps"""
    seed: int = 0
    restores: int = 0
    """steps back at the end, each over one turn that had changed files"""


class Measured(NamedTuple):
    """What came of it. Lists hold one figure for each turn of each agent, unless said otherwise."""

    path_ms: list[float]
    """between the model's answer and the tool, and between the tool and the next question"""
    whole_ms: list[float]
    tool_ms: list[float]
    look_ms: list[float]
    """each look at the workspace, whether or not anyone waited for it"""
    first_look_ms: list[float]
    """the first full record, one for each agent"""
    cpu_ms: list[float]
    """one for each turn of the one agent, or the mean over all agents"""
    bytes_per_turn: float
    skipped: int
    looks: int
    rss_mb: float
    """the largest memory of the process, up to here"""
    restore_ms: list[float]
    rss_back_mb: float
    """the same after going back"""


def run_together(courses: Sequence[Course]) -> list[Measured]:
    """Run ``courses`` in processes of their own that begin at one moment."""
    running = [_begun(course) for course in courses]
    try:
        for each in running:
            assert each.stdout is not None
            if each.stdout.readline().strip() != "ready":
                raise OSError(f"a measurement failed before it began: {courses}")
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return [_read(each) for each in running]
    finally:
        for each in running:
            each.kill()
            each.wait()


def _begun(course: Course) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.workspace.measure", msgspec.json.encode(course).decode()]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _read(running: "subprocess.Popen[str]") -> Measured:
    said, _ = running.communicate(timeout=60 * MINUTES_MAX)
    if running.returncode != 0:
        raise OSError(f"a measurement ended with {running.returncode}")
    return msgspec.json.decode(said, type=Measured)
