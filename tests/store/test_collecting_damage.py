"""Damage makes no garbage, and a crash or a full disk costs nothing that is reached."""

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.envelope import Event, Frame, Stored, chain, seal
from perdure.log.port import Batch
from perdure.testing.lossy_disk import Journal, LossyDisk
from perdure.values.errors import BlobMissing, StoreDamaged, StoreFailed, StoreNewer
from tests.conformance.stores import SECONDS, blob, opened_run
from tests.store.trees import (
    LARGE,
    Tree,
    collected,
    files,
    five_checkpoints,
    here,
    let_go,
    must_be_whole,
    say,
    taken,
)


def test_a_tree_that_can_not_be_followed_ends_the_collection_before_anything_goes(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
        writer.append(writer.batch(blobs=[blob(b"garbage")]))
    db = apsw.Connection(str(place / "log.db"))
    db.execute("DELETE FROM blobs WHERE digest = ?", (bytes.fromhex(tree.name),))
    db.close()
    before = here(place)
    with pytest.raises(BlobMissing):
        collected(place)
    with pytest.raises(BlobMissing):
        collected(place, trial=True)
    assert here(place) == before


def test_a_damaged_event_makes_no_garbage_of_what_it_named(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
    db = apsw.Connection(str(place / "log.db"))
    broken = tree.name[:-1] + ("0" if tree.name[-1] != "0" else "1")
    db.execute("UPDATE events SET frame = CAST(replace(frame, ?, ?) AS BLOB)", (tree.name, broken))
    db.close()
    before = here(place)
    with pytest.raises(StoreDamaged, match="march at 1"):
        collected(place)
    assert here(place) == before


def test_events_of_a_newer_perdure_are_left_to_it(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        known = seal(Event("march", 1, 1, 1, 1, taken(tree.name)), bytes(32))
        frame = msgspec.json.decode(known.frame, type=Frame)
        newer = msgspec.json.encode(
            msgspec.structs.replace(frame, kind="checkpoint.folded", body=msgspec.Raw(b'{"trees":[]}'))
        )
        writer.append(Batch("march", 0, 1, [Stored("march", 1, newer, chain(bytes(32), newer))]))
    before = here(place)
    with pytest.raises(StoreNewer):
        collected(place)
    assert here(place) == before


def test_files_that_a_crash_left_go_and_those_that_are_being_written_stay(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[LARGE]))
        say(writer, e.MessageReceived("m", "ann", e.Content(1, None, LARGE[0])))
        (file,) = files(place)
        stray = file.with_name(f"{'ab' * 32}.zst")
        unfinished = file.with_name(f"{'ab' * 32}.zst.1.2.new")
        for left in (stray, unfinished):
            left.write_bytes(b"left")
        os.utime(unfinished, (1, 1))
        young = file.with_name(f"{'cd' * 32}.zst.1.2.new")
        young.write_bytes(b"being written")
        found = collected(place, grace=3600)
        assert (found.strays.files, found.strays.file_bytes) == (2, 8)
        assert files(place) == sorted((file, young))
        assert store.get(LARGE[0]) == LARGE[1]


def test_files_that_another_process_finishes_while_they_are_counted_or_collected_are_no_failure(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    """They are listed under the name they have while they are written, and gone under it when they are looked at."""
    listed = Path.iterdir

    def and_finished(directory: Path) -> Iterator[Path]:
        unfinished = directory / f"{'ab' * 32}.zst.1.2.new"
        if directory.parent.name == "blobs":
            unfinished.write_bytes(b"being written")
        found = list(listed(directory))
        unfinished.unlink(missing_ok=True)
        yield from found

    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[LARGE]))
        say(writer, e.MessageReceived("m", "ann", e.Content(1, None, LARGE[0])))
        before = store.room()
        monkeypatch.setattr(Path, "iterdir", and_finished)
        assert store.room().used == before.used
        assert collected(place, trial=True).strays.files == 0
        assert collected(place).strays.files == 0
        assert store.get(LARGE[0]) == LARGE[1]


@pytest.mark.parametrize("write", range(0, 12, 2))
def test_a_disk_that_fills_up_under_a_collection_costs_nothing_that_is_reached(place: Path, write: int):
    journal = Journal()
    tree = Tree(1, large=True)
    with LossyDisk(f"filling-{id(journal)}", journal) as disk:
        setup = Setup(vfs=disk.name)
        with SqliteStore(place, setup=setup) as store:
            writer = opened_run(store)
            tree.put(store)
            say(writer, taken(tree.name))
            for number in range(300):
                store.put(*blob(b"garbage %d" % number * 50))
            say(writer, e.TimerFired("t"))
        left = [write]

        def fails(file: str) -> bool:
            left[0] -= file.endswith("-wal")
            return left[0] < 0

        journal.write_fails = fails
        with pytest.raises(StoreFailed), SqliteStore(place, setup=setup) as store:
            store.collect()
        journal.write_fails = lambda _file: False
        with SqliteStore(place, setup=setup) as store:
            must_be_whole(store)
            store.collect()
            must_be_whole(store)
        assert here(place) == set(tree.blobs)


def test_a_backup_made_beside_collections_is_whole(place: Path, tmp_path: Path):
    with SqliteStore(place) as store:
        writer, _ = five_checkpoints(store)
        let_go(writer, 4)
        stop = threading.Event()

        def collect() -> None:
            while not stop.is_set():
                collected(place)

        thread = threading.Thread(target=collect)
        thread.start()
        for number in range(6):
            garbage = blob(random.Random(number).randbytes(1_200_000))
            store.put(*garbage)
            store.backup(tmp_path / f"copy-{number}")
        stop.set()
        thread.join(SECONDS)
    for number in range(6):
        with SqliteStore(tmp_path / f"copy-{number}") as copy:
            assert copy.collect(trial=True).reached.blobs > 0
