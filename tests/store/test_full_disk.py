"""A full or failing disk is fatal to the store object: everyone hears, nothing is tried again or lost."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.port import Appended, NewRun, Remembered
from perdure.testing.lossy_disk import Journal, LossyDisk, Sync
from perdure.values.errors import StoreFailed
from tests.conformance.stores import SECONDS, Writer, blob, claim, opened_run, post


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def setup(journal: Journal) -> Iterator[Setup]:
    with LossyDisk(f"failing-{id(journal)}", journal) as disk:
        yield Setup(vfs=disk.name)


def wal(file: str) -> bool:
    return file.endswith("-wal")


def fails_from_now_on(journal: Journal, what: str) -> None:
    if what == "sync":
        journal.sync_fails = wal
    else:
        journal.write_fails = wal


def works_again(journal: Journal) -> None:
    journal.sync_fails = journal.write_fails = lambda _file: False


@pytest.mark.parametrize("what", ["sync", "write"])
def test_what_failed_is_not_acknowledged_and_what_was_acknowledged_is_there(
    place: Path, journal: Journal, setup: Setup, what: str
):
    store = SqliteStore(place, setup=setup)
    writer = opened_run(store)
    batch = writer.batch(3)
    writer.append(batch)
    fails_from_now_on(journal, what)
    with pytest.raises(StoreFailed):
        writer.append()
    assert len(store.read("march")) == 3
    store.close()
    works_again(journal)
    with SqliteStore(place, setup=setup) as again:
        assert list(again.read("march"))[:3] == list(batch.events)
        (row,) = again.rows("march")
        lease = again.acquire("march", this_holder("w2"))
        assert Writer(again, "march", lease, row.position, row.head).append() == Appended(row.position + 1)


@pytest.mark.parametrize("what", ["sync", "write"])
def test_everyone_who_waits_and_everyone_after_hears_of_it(
    place: Path, journal: Journal, setup: Setup, what: str
):
    with SqliteStore(place, setup=setup) as store:
        writers = [opened_run(store, f"run-{number}") for number in range(20)]
        fails_from_now_on(journal, what)
        answers: list[Future[Appended | Remembered]] = [store.append(writer.batch()) for writer in writers]
        assert all(isinstance(answer.exception(SECONDS), StoreFailed) for answer in answers)
        works_again(journal)
        with pytest.raises(StoreFailed):
            writers[0].append()
        with pytest.raises(StoreFailed):
            store.post("run-1", post("p1"))
        with pytest.raises(StoreFailed):
            store.create(NewRun("april", "april", "acme", 1))
        with pytest.raises(StoreFailed):
            store.put(*blob(b"content"))
        store.save("run-1", 1, b"a cache is no reason to stop", [])


def test_a_sync_that_failed_is_never_tried_again(place: Path, journal: Journal, setup: Setup):
    store = SqliteStore(place, setup=setup)
    writer = opened_run(store)
    writer.append()
    journal.sync_fails = wal
    with pytest.raises(StoreFailed):
        writer.append()
    failed = len(journal.entries)
    works_again(journal)
    with pytest.raises(StoreFailed):
        writer.append()
    store.close()
    assert journal.entries[failed - 1] == Sync("log.db-wal", failed=True)
    assert journal.entries[failed:] == []


def write_on(writer: Writer) -> None:
    for number in range(9):
        writer.append(writer.batch(2, opened=[claim(f"k{number}")], alone=True))


@pytest.mark.parametrize("write", range(1, 12, 2))
def test_who_is_interrupted_while_writing_leaves_nothing_half_written(
    place: Path, journal: Journal, setup: Setup, write: int
):
    left = [write]

    def interrupt(_file: str) -> bool:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return False

    store = SqliteStore(place, setup=setup)
    writer = opened_run(store)
    writer.append(writer.batch(2, alone=True))
    journal.write_fails = interrupt
    with pytest.raises(KeyboardInterrupt):
        write_on(writer)
    works_again(journal)
    with pytest.raises(StoreFailed):
        writer.append()
    store.close()
    with SqliteStore(place, setup=setup) as again:
        events = again.read("march")
        assert len(events) == writer.position
        assert len(again.claims()) == (len(events) - 2) // 2


def test_a_disk_that_fills_up_under_a_real_process_loses_nothing(place: Path):
    program = subprocess.run(
        [sys.executable, "-m", "tests.store.writing", str(place), "march", "60"],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=limit_files,
        timeout=60,
    )
    assert "StoreFailed" in program.stderr
    told = int(program.stdout.split()[-1])
    with SqliteStore(place) as store:
        assert len(store.read("march", 0, 100_000)) >= told
        lease = store.acquire("march", this_holder("after"))
        (row,) = store.rows("march")
        assert Writer(store, "march", lease, row.position, row.head).append()


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
