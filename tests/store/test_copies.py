"""Copies, backups and restored stores: they open, they read, and nothing in them runs until someone says so."""

import random
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.store import SqliteStore
from perdure.values.errors import BadInput, Suspended
from tests.conformance.stores import Writer, blob, claim, opened_run

LARGE = blob(random.Random(1).randbytes(2_500_000))


@pytest.fixture
def original(place: Path) -> Path:
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(5, blobs=[LARGE, blob(b"small")], opened=[claim("k1")]))
        store.release("march", 1)
    return place


def must_be_suspended(place: Path, why: str) -> None:
    with SqliteStore(place) as store:
        assert why in (store.suspended() or "")
        with pytest.raises(Suspended, match="march may not be driven"):
            store.acquire("march", this_holder("w2"), take_over=True)
        assert len(store.read("march")) == 5
        assert store.stats().suspended == store.suspended()


def may_run(place: Path) -> None:
    with SqliteStore(place) as store:
        assert store.suspended() is None
        lease = store.acquire("march", this_holder("w2"))
        (row,) = store.rows("march")
        Writer(store, "march", lease, row.position, row.head).append()
        store.release("march", lease.epoch)


def test_the_original_runs_on_however_often_it_is_opened(original: Path):
    for _ in range(3):
        may_run(original)


def test_a_store_that_was_moved_runs_on(original: Path, tmp_path: Path):
    moved = original.rename(tmp_path / "moved")
    may_run(moved)


def test_a_store_whose_permissions_changed_runs_on(original: Path):
    for path in (original, *original.rglob("*")):
        path.chmod(0o700)
    may_run(original)


def test_what_a_store_holds_is_for_its_user_alone(place: Path, tmp_path: Path):
    with SqliteStore(place / "fresh") as store:
        store.backup(tmp_path / "copy")
    shared = place / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    SqliteStore(shared).close()
    assert [each.stat().st_mode & 0o777 for each in (place / "fresh", tmp_path / "copy", shared)] == [
        0o700,
        0o700,
        0o750,
    ]


@pytest.mark.parametrize("command", [["cp", "-r"], ["cp", "-a"]], ids=["cp -r", "cp -a"])
def test_a_copied_directory_is_noticed(original: Path, tmp_path: Path, command: list[str]):
    subprocess.run([*command, str(original), str(tmp_path / "copy")], check=True)
    must_be_suspended(tmp_path / "copy", "looks like a copy")
    may_run(original)


def test_a_store_restored_from_an_archive_is_noticed(original: Path, tmp_path: Path):
    subprocess.run(["tar", "-cf", "store.tar", "store"], cwd=tmp_path, check=True)
    may_run(original)
    shutil.rmtree(original)
    subprocess.run(["tar", "-xf", "store.tar"], cwd=tmp_path, check=True)
    must_be_suspended(original, "looks like a copy")


def test_an_older_copy_laid_over_the_store_is_noticed(original: Path, tmp_path: Path):
    subprocess.run(["cp", "-a", str(original), str(tmp_path / "old")], check=True)
    may_run(original)
    subprocess.run(["cp", "-a", f"{tmp_path}/old/.", str(original)], check=True)
    must_be_suspended(original, "rolled back")


def test_an_older_log_put_in_place_of_the_new_one_is_noticed(original: Path, tmp_path: Path):
    shutil.copy(original / "log.db", tmp_path / "old.db")
    may_run(original)
    shutil.copy(tmp_path / "old.db", original / "log.db")
    must_be_suspended(original, "rolled back")


def test_a_copy_without_its_anchor_is_noticed(original: Path):
    (original / "anchor").unlink()
    must_be_suspended(original, "anchor")


def test_a_backup_of_a_running_store_is_whole_and_suspended(original: Path, tmp_path: Path):
    with SqliteStore(original) as store:
        lease = store.acquire("march", this_holder("w2"))
        (row,) = store.rows("march")
        writer = Writer(store, "march", lease, row.position, row.head)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                writer.append(writer.batch(3))

        thread = threading.Thread(target=write)
        thread.start()
        store.backup(tmp_path / "backup")
        stop.set()
        thread.join()
        truth = store.read("march", 0, 100_000)
    with SqliteStore(tmp_path / "backup") as copy:
        assert "a backup of" in (copy.suspended() or "")
        events = copy.read("march", 0, 100_000)
        assert len(events) >= 5
        assert (len(events) - 5) % 3 == 0
        assert events == truth[: len(events)]
        assert copy.get(LARGE[0]) == LARGE[1]
        assert copy.stats().blob_files == 1
        with pytest.raises(Suspended):
            copy.acquire("march", this_holder("w3"), take_over=True)


def test_a_backup_restored_in_place_of_the_store_is_suspended(original: Path, tmp_path: Path):
    with SqliteStore(original) as store:
        store.backup(tmp_path / "backup")
    may_run(original)
    shutil.rmtree(original)
    shutil.move(tmp_path / "backup", original)
    must_be_suspended(original, "a backup of")


def test_a_person_releases_a_copy_and_it_runs(original: Path, tmp_path: Path):
    with SqliteStore(original) as store:
        store.backup(tmp_path / "backup")
    with SqliteStore(tmp_path / "backup") as store:
        store.release_store("ann")
        assert store.suspended() is None
        assert store.stats().released == "ann"
    may_run(tmp_path / "backup")


def test_a_store_that_was_rolled_back_and_released_runs(original: Path, tmp_path: Path):
    shutil.copy(original / "log.db", tmp_path / "old.db")
    may_run(original)
    shutil.copy(tmp_path / "old.db", original / "log.db")
    with SqliteStore(original) as store:
        store.release_store("ann")
    may_run(original)


def test_a_released_copy_of_which_a_copy_is_made_is_suspended_again(original: Path, tmp_path: Path):
    shutil.copytree(original, tmp_path / "copy")
    with SqliteStore(tmp_path / "copy") as store:
        store.release_store("ann")
    shutil.copytree(tmp_path / "copy", tmp_path / "again")
    must_be_suspended(tmp_path / "again", "looks like a copy")


def test_a_suspension_lasts_when_the_copy_is_opened_again(original: Path, tmp_path: Path):
    shutil.copytree(original, tmp_path / "copy")
    for _ in range(2):
        must_be_suspended(tmp_path / "copy", "looks like a copy")


def test_a_backup_is_not_laid_over_something_else(original: Path, tmp_path: Path):
    target = tmp_path / "taken"
    target.mkdir()
    (target / "file").touch()
    with SqliteStore(original) as store:
        with pytest.raises(BadInput):
            store.backup(target)
        store.backup(tmp_path / "empty")
        with pytest.raises(BadInput):
            store.backup(tmp_path / "empty")
    assert list(target.iterdir()) == [target / "file"]


def test_a_backup_that_cannot_be_finished_leaves_nothing(original: Path, tmp_path: Path):
    (next((original / "blobs").rglob("*.zst"))).unlink()
    with SqliteStore(original, setup=Setup()) as store, pytest.raises(Exception, match="backing up"):
        store.backup(tmp_path / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
