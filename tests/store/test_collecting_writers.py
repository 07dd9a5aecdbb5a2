"""What somebody is about to name is not garbage, and what is gone can not be named."""

import fcntl
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest

from perdure.adapters.sqlite import collecting
from perdure.adapters.sqlite.fence import Fence
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.port import Appended, Batch, Post
from perdure.values.errors import BlobMissing
from tests.conformance.stores import SECONDS, blob, opened_run
from tests.store.trees import (
    LARGE,
    Tree,
    collected,
    files,
    here,
    must_be_whole,
    say,
    sealed,
    taken,
)


def named_after_collections(place: Path) -> None:
    """A recording that is under way while garbage is collected is named afterwards, and whole."""
    tree = Tree(1, large=True)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        for _ in range(2):
            found = collected(place, grace=3600)
            assert (found.unreached.blobs, found.taken.blobs, found.in_use) == (len(tree.blobs), 0, True)
        say(writer, taken(tree.name))
        must_be_whole(store)
        assert collected(place).taken.blobs == 0


def test_what_is_put_and_not_named_yet_waits_while_its_store_is_open(place: Path):
    named_after_collections(place)


def test_a_collector_that_does_not_look_who_uses_the_store_is_caught(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "in_use", lambda _path: False)
    with pytest.raises(AssertionError):
        named_after_collections(place)


def test_an_open_reader_counts_as_use_and_a_closed_one_does_not(place: Path):
    with SqliteStore(place) as store:
        store.put(*blob(b"garbage"))
        opened_run(store)
    with SqliteStore(place, create=False):
        assert collected(place, grace=3600).in_use
    assert not collected(place, grace=3600).in_use


def test_what_is_condemned_counts_as_gone_until_it_is_put_again(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        assert all(map(store.has, tree.blobs))
        collected(place, grace=3600)
        assert not any(map(store.has, tree.blobs))
        assert all(store.get(name) == content for name, content in tree.blobs.items())
        tree.put(store)
        say(writer, taken(tree.name))
        assert all(map(store.has, tree.blobs))
        collected(place)
        must_be_whole(store)


def test_a_blob_that_comes_again_with_a_batch_is_there_although_its_row_was_condemned(place: Path):
    text = blob(b"said at length")
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[text]))
        collected(place, grace=3600)
        say(writer, e.MessageReceived("m", "ann", e.Content(14, None, text[0])), blobs=[text])
        collected(place)
        assert store.get(text[0]) == text[1]


def slept_through_a_collection(place: Path) -> None:
    """A writer that was stopped for longer than anybody waits can't name what is gone."""
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        collected(place, grace=0)
        assert not here(place)
        batch = Batch("march", writer.position, writer.epoch, sealed(writer, taken(tree.name)))
        with pytest.raises(BlobMissing, match="march at 2: it names content that was collected"):
            store.append(batch).result(SECONDS)
        body = msgspec.json.encode(e.RunRewound(1, "ann", tree=tree.name))
        with pytest.raises(BlobMissing, match="the post"):
            store.post("march", Post("p", "run.rewound", msgspec.Raw(body), 5))
        tree.put(store)
        assert store.append(batch).result(SECONDS) == Appended(2)
        must_be_whole(store)


def test_a_writer_that_slept_through_a_collection_is_refused_and_records_anew(place: Path):
    slept_through_a_collection(place)


def test_a_writer_that_does_not_look_is_caught(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fence, "check", lambda _fence, _batch: None)
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        slept_through_a_collection(place)


@contextmanager
def held_up(place: Path, write: Callable[[], object]) -> Generator[apsw.Connection]:
    """Within this, ``write`` has packed its blobs and waits for the write lock, which the test has."""
    db = apsw.Connection(str(place / "log.db"))
    db.execute("BEGIN IMMEDIATE")
    thread = threading.Thread(target=write)
    thread.start()
    turnstile = os.open(place / "log.db-turn", os.O_RDWR)
    waits = False
    while not waits:
        try:
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        except BlockingIOError:
            waits = True
    os.close(turnstile)
    yield db
    db.execute("COMMIT")
    thread.join(SECONDS)
    db.close()


@pytest.mark.parametrize("content", [b"small", LARGE[1]], ids=["row", "file"])
def test_a_batch_brings_its_blobs_although_they_were_swept_while_it_waited_for_the_lock(
    place: Path, content: bytes
):
    text = blob(content)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[text]))
        batch = writer.batch(blobs=[text])
        with held_up(place, lambda: store.append(batch).result(SECONDS)) as db:
            db.execute("DELETE FROM blobs")
            db.execute("INSERT INTO settings VALUES ('swept', 1)")
            for file in files(place):
                file.unlink()
        assert store.get(*text[:1]) == content


def test_a_large_blob_whose_file_was_taken_for_a_stray_is_written_again(place: Path):
    with SqliteStore(place) as store:
        opened_run(store)
        with held_up(place, lambda: store.put(*LARGE)):
            (file,) = files(place)
            file.unlink()
        assert store.get(LARGE[0]) == LARGE[1]
