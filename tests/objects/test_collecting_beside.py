"""Collectors beside recording processes, for real, with PostgreSQL and an object store, and killed in the middle."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.content.collecting import COLLECTING
from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.store import PostgresStore
from perdure.log import events as e
from perdure.log.envelope import Stored
from perdure.values.errors import BlobMissing
from tests.conformance.stores import Writer
from tests.objects.parts import asked, forms, names_in, until
from tests.servers.shared import database_of
from tests.store import recording
from tests.store.recording import record, store_at
from tests.store.trees import bodies, needed, sealed

ROOT = Path(__file__).parents[2]


def started(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.recording", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def located(tmp_path: Path) -> str:
    return f"{database_of(tmp_path)}|file://{tmp_path}/objects"


def opened(location: str) -> PostgresStore:
    store = store_at(location)
    assert isinstance(store, PostgresStore)
    return store


def kept(store: PostgresStore) -> set[str]:
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


def until_free(dsn: str) -> None:
    """A killed collector's lock goes with its connection, which the server notices in its own time."""
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
    until("the lock is free", lambda: not asked(dsn, held, COLLECTING))


def beside_collectors(location: str, grace: int, seconds: int) -> None:
    dsn, _, url = location.partition("|")
    chance = random.Random(grace)
    recorders = [started("record", location, f"run-{number}", str(seconds)) for number in range(2)]
    taken = killed = 0
    while any(recorder.poll() is None for recorder in recorders):
        collector = started("collect", location, str(grace))
        assert collector.stdout is not None
        # Not before its first collection is through: there is work for the next ones.
        taken += int(collector.stdout.readline())
        time.sleep(chance.uniform(0, 0.3))
        collector.send_signal(signal.SIGKILL)
        rest, _ = collector.communicate()
        taken += sum(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        killed += 1
        until_free(dsn)
    told = [recorder.communicate()[0].split("\n")[-2].split() for recorder in recorders]
    assert [recorder.returncode for recorder in recorders] == [0, 0]
    assert all(int(position) > 5 for position, _ in told)
    assert killed > 0
    with opened(location) as store:
        reached = kept(store)
        found = store.collect(grace_seconds=0)
    assert taken + found.taken.blobs > 0
    assert set(forms(dsn)) == reached
    outside = sorted(name for name, form in forms(dsn).items() if form == 2)
    assert sorted(names_in(open_objects({"url": url}))) == outside


def test_recording_processes_lose_nothing_to_collectors_that_are_killed(tmp_path: Path):
    beside_collectors(located(tmp_path), 0, seconds=2)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("grace", [0, 600], ids=["that don't wait", "that wait"])
def test_recording_processes_lose_nothing_for_long(tmp_path: Path, grace: int):
    beside_collectors(located(tmp_path), grace, seconds=60)


def thoughtful(writer: Writer, *said: e.Body) -> list[Stored]:
    """Between the look at its content and the event that names it, a recorder takes its time."""
    time.sleep(0.05)
    return sealed(writer, *said)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_recorder_that_does_not_look_for_sweeps_loses_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Fence, "watches", lambda _fence, _swept: False)
    monkeypatch.setattr(recording, "sealed", thoughtful)
    location = located(tmp_path)
    for attempt in range(20):
        until_free(location.partition("|")[0])
        collector = started("collect", location, "0")
        assert collector.stdout is not None
        collector.stdout.readline()
        try:
            record(location, f"run-{attempt}", 1)
        finally:
            collector.kill()
            _, complaint = collector.communicate()
        # The collector itself stops at a tree that it can't follow any more.
        if "BlobMissing" in complaint:
            return
        with opened(location) as store:
            try:
                kept(store)
            except BlobMissing:
                return
    pytest.fail("nothing was lost in twenty tries")
