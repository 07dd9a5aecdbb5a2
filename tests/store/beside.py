"""What collectors and recording processes do to each other, whatever store they share."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.values.errors import BlobMissing
from tests.store.recording import TURNS_MIN, record
from tests.store.trees import bodies, needed

ROOT = Path(__file__).parents[2]

ATTEMPTS_MAX = 20
"""Who loses content by chance is given so many."""

Collected = SqliteStore | PostgresStore
Opening = Callable[[], AbstractContextManager[Collected]]


def started(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.recording", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def collecting(location: str, grace: int) -> "tuple[subprocess.Popen[str], int]":
    """Start a collector; return it and what it took once its first collection is through."""
    collector = started("collect", location, str(grace))
    assert collector.stdout is not None
    return collector, int(collector.stdout.readline())


def kept(store: Collected) -> set[str]:
    """Read and return all that events reach which no release let go."""
    found: set[str] = set()
    for row in store.rows():
        told = list(bodies(store, row.run))
        before = max((body.before for _, body in told if isinstance(body, e.CheckpointReleased)), default=0)
        for position, body in told:
            if position >= before:
                found.update(needed(store, body))
    for name in found:
        store.get(name)
    return found


def recorded_beside_dying_collectors(
    location: str, grace: int, seconds: int, then: Callable[[], None] = lambda: None
) -> int:
    """Two processes have recorded for so long, and every collector beside them was killed; return what those took.

    ``then`` is done after each death.
    """
    chance = random.Random(grace)
    recorders = [started("record", location, f"run-{number}", str(seconds)) for number in range(2)]
    taken = killed = 0
    while any(recorder.poll() is None for recorder in recorders):
        # Not killed before its first collection is through: there is work for the next ones.
        collector, first = collecting(location, grace)
        time.sleep(chance.uniform(0, 0.3))
        collector.send_signal(signal.SIGKILL)
        rest, _ = collector.communicate()
        taken += first + sum(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        killed += 1
        then()
    told = [recorder.communicate()[0].split("\n")[-2].split() for recorder in recorders]
    assert [recorder.returncode for recorder in recorders] == [0, 0]
    assert all(int(position) > TURNS_MIN for position, _ in told)
    assert killed > 0
    return taken


def loses_content(location: str, run: str, opening: Opening) -> bool:
    """Record ``run`` in this process beside a collector; tell whether something is gone that events name."""
    # Not before its first collection is through: it is there when recording begins.
    collector, _ = collecting(location, 0)
    try:
        record(location, run, 1)
    finally:
        collector.kill()
        _, complaint = collector.communicate()
    # The collector itself stops at a tree that it can't follow any more.
    if "BlobMissing" in complaint:
        return True
    with opening() as store:
        try:
            kept(store)
        except BlobMissing:
            return True
    return False
