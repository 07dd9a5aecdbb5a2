"""Collectors beside recording processes, for real, and killed in the middle."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perdure.adapters.sqlite.fence import Fence
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.values.errors import BlobMissing
from tests.store.recording import record
from tests.store.trees import bodies, files, here, needed

ROOT = Path(__file__).parents[2]


def started(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.recording", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def kept(store: SqliteStore) -> set[str]:
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


@pytest.mark.parametrize("grace", [0, 600], ids=["that don't wait", "that wait"])
def test_recording_processes_lose_nothing_to_collectors_that_are_killed(place: Path, grace: int):
    chance = random.Random(grace)
    SqliteStore(place).close()
    recorders = [started("record", str(place), f"run-{number}", "3") for number in range(2)]
    killed = taken = 0
    while any(recorder.poll() is None for recorder in recorders):
        collector = started("collect", str(place), str(grace))
        assert collector.stdout is not None
        # Not before its first collection is through: there is work for the next ones.
        taken += int(collector.stdout.readline())
        time.sleep(chance.uniform(0, 0.3))
        collector.send_signal(signal.SIGKILL)
        rest, _ = collector.communicate()
        taken += sum(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        killed += 1
    told = [recorder.communicate()[0].split("\n")[-2].split() for recorder in recorders]
    assert [recorder.returncode for recorder in recorders] == [0, 0]
    assert all(int(position) > 20 for position, _ in told)
    assert killed > 1
    with SqliteStore(place) as store:
        reached = kept(store)
        found = store.collect()
    assert taken + found.taken.blobs > 0
    assert not found.in_use
    assert here(place) == reached
    assert len(files(place)) == found.reached.files


def test_a_recorder_that_does_not_look_for_sweeps_loses_content(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fence, "check", lambda _fence, _batch: None)
    SqliteStore(place).close()
    collector = started("collect", str(place), "0")
    try:
        record(place, "run-0", 3)
    finally:
        collector.kill()
        _, complaint = collector.communicate()
    # The collector itself stops at a tree that it can't follow any more.
    if "BlobMissing" not in complaint:
        with SqliteStore(place) as store, pytest.raises(BlobMissing):
            kept(store)
