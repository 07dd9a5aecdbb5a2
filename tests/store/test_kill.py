"""A writer that is killed at any moment loses nothing that it was told is durable."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import GENESIS
from tests.store.writing import blob_of, events_of

ROOT = Path(__file__).parents[2]


def killed_writer(directory: Path, run: str, wait: float) -> int:
    """Start a writer, kill it ``wait`` seconds after its first word, and return what it had been told."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.writing", str(directory), run, "60"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    words = [line.split() for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return int(words[-1][1])


def check(directory: Path, run: str, told: int) -> None:
    with SqliteStore(directory) as store:
        events = list(store.read(run, 0, 100_000))
        assert len(events) >= told
        assert len(events) % 3 == 0
        assert events == events_of(run, 0, len(events), GENESIS)
        for position in range(3, len(events) + 1, 3):
            name, content = blob_of(run, position)
            assert store.get(name) == content
        assert len(store.claims(scope="acme")) == len(events) // 3


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_writer_loses_nothing_it_was_told_is_durable(tmp_path: Path, seed: int):
    wait = random.Random(seed).uniform(0, 0.25)
    told = killed_writer(tmp_path / "store", "march", wait)
    check(tmp_path / "store", "march", told)


def test_a_run_goes_on_over_many_killed_writers(tmp_path: Path):
    chance = random.Random(3)
    told = 0
    for life in range(1, 6):
        now = killed_writer(tmp_path / "store", "march", chance.uniform(0, 0.1))
        assert now > told
        told = now
        with SqliteStore(tmp_path / "store") as store:
            (row,) = store.rows("march")
            assert row.epoch == life
    with SqliteStore(tmp_path / "store") as store:
        lease = store.acquire("march", this_holder("after"))
        assert (lease.epoch, lease.dead, lease.alive) == (6, (5,), ())
