"""Collectors beside recording processes, for real, with PostgreSQL and an object store, and killed in the middle."""

import time
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.content.collecting import COLLECTING
from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.store import PostgresStore
from perdure.log import events as e
from perdure.log.envelope import Stored
from tests.conformance.stores import Writer
from tests.objects.parts import asked, forms, names_in, until
from tests.servers.shared import database_of
from tests.store import recording
from tests.store.beside import ATTEMPTS_MAX, kept, loses_content, recorded_beside_dying_collectors
from tests.store.recording import store_at
from tests.store.trees import sealed


def located(tmp_path: Path) -> str:
    return f"{database_of(tmp_path)}|file://{tmp_path}/objects"


def until_free(location: str) -> None:
    """A killed collector's lock goes with its connection, which the server notices in its own time."""
    dsn, _, _ = location.partition("|")
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
    until("the lock is free", lambda: not asked(dsn, held, COLLECTING))


def beside_collectors(location: str, grace: int, seconds: int) -> None:
    dsn, _, url = location.partition("|")
    taken = recorded_beside_dying_collectors(location, grace, seconds, lambda: until_free(location))
    with store_at(location) as store:
        assert isinstance(store, PostgresStore)
        reached = kept(store)
        found = store.collect(grace_seconds=0)
    assert taken + found.taken.blobs > 0
    assert set(forms(dsn)) == reached
    outside = sorted(name for name, form in forms(dsn).items() if form == 2)
    assert sorted(names_in(open_objects({"url": url}))) == outside


def test_recording_processes_lose_nothing_to_collectors_that_are_killed(tmp_path: Path):
    beside_collectors(located(tmp_path), 0, seconds=2)


def test_one_collection_after_the_other_is_not_refused_for_a_session_that_has_yet_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ending: list[Database] = []

    def ends_later(db: Database) -> None:
        ending.append(db)

    with monkeypatch.context() as slow, store_at(located(tmp_path)) as store:
        assert isinstance(store, PostgresStore)
        slow.setattr(Database, "close", ends_later)
        store.collect(grace_seconds=0)
        assert len(ending) == 1
        again = store.collect(grace_seconds=0)
    for db in ending:
        db.close()
    assert again.taken.blobs == 0


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("grace", [0, 600], ids=["that don't wait", "that wait"])
def test_recording_processes_lose_nothing_for_long(tmp_path: Path, grace: int):
    beside_collectors(located(tmp_path), grace, seconds=60)


def thoughtful(writer: Writer, *said: e.Body) -> list[Stored]:
    """Between the look at its content and the event that names it, a recorder takes its time."""
    time.sleep(0.05)
    return sealed(writer, *said)


def loses_at_last(location: str, run: str) -> bool:
    until_free(location)
    return loses_content(location, run, lambda: store_at(location))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_recorder_that_does_not_look_for_sweeps_loses_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Fence, "watches", lambda _fence, _swept: False)
    monkeypatch.setattr(recording, "sealed", thoughtful)
    location = located(tmp_path)
    assert any(loses_at_last(location, f"run-{attempt}") for attempt in range(ATTEMPTS_MAX))
