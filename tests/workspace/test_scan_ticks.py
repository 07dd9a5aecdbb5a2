"""On a file system whose clock stands still between its ticks, two changes leave the same marks, and none is missed.

ramfs is one: unlike ext4, xfs, btrfs and tmpfs of newer kernels it has no finer stamps for who has been looked at.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from tests.workspace.test_scan_property import OPERATIONS, ROUNDS, Op, play, whole


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory on such a file system."""
    place = tmp_path_factory.mktemp("ramfs")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if subprocess.run(["mount", "-t", "ramfs", "none", place], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def stamps_that_hide_a_change(place: Path, tries: int) -> int:
    """Return how often a second write, after a look, leaves the same stamp."""
    path, same = place / "stamped", 0
    for _ in range(tries):
        path.write_bytes(b"a")
        first = path.stat().st_ctime_ns
        path.write_bytes(b"b")
        same += path.stat().st_ctime_ns == first
    return same


def missed(directory: Directory, tries: int) -> int:
    """Return how many of so many rewrites, each right after a look, the next look doesn't see."""
    path, misses = directory.root / "f", 0
    for number in range(tries):
        path.write_bytes(b"a%06d" % number)
        known = directory.record("", ()).tree
        path.write_bytes(b"b%06d" % number)
        misses += directory.record(known, ()).what == "none"
    return misses


def test_changes_within_a_tick_are_found(ticking: Path) -> None:
    assert stamps_that_hide_a_change(ticking, 200) > 20, "this file system is no test of the rule"
    (ticking / "work").mkdir()
    assert missed(Directory(ticking / "work", MemoryStore()), 300) == 0


def test_a_scanner_that_trusts_fresh_marks_is_caught(ticking: Path) -> None:
    (ticking / "other").mkdir()
    directory = Directory(ticking / "other", MemoryStore())
    directory._clock = lambda: 1 << 62
    assert missed(directory, 300) > 0


def test_whatever_is_done_there_is_found(ticking: Path) -> None:
    @settings(ROUNDS, max_examples=60)
    @given(OPERATIONS)
    def none_is_missed(operations: list[Op]) -> None:
        play(operations, whole, where=ticking)

    none_is_missed()
