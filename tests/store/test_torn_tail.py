"""A write-ahead log that ends anywhere, or was garbled anywhere: whole batches or nothing."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.adapters.sqlite.layout import PAGE_BYTES
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import Stored
from tests.conformance.stores import blob, claim, opened_run

WAL_HEADER, FRAME = 32, 24 + PAGE_BYTES
BATCHES, EVENTS = 8, 3


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sequence[Stored]]:
    """Return the files as a killed writer leaves them, and the events that it was told are durable."""
    place = tmp_path_factory.mktemp("torn") / "store"
    left = place.with_name("left")
    with SqliteStore(place) as store:
        writer = opened_run(store)
        for number in range(BATCHES):
            batch = writer.batch(
                EVENTS, text="x" * 700, blobs=[blob(b"%d" % number * 999)], opened=[claim(f"k{number}")]
            )
            writer.append(batch)
        left.mkdir()
        for name in ("log.db", "log.db-wal"):
            shutil.copy(place / name, left / name)
        return left, store.read("march")


def frames(left: Path) -> int:
    return ((left / "log.db-wal").stat().st_size - WAL_HEADER) // FRAME


def seen_after(left: Path, wal: bytes, directory: Path) -> Sequence[Stored]:
    """Return what a store reads that finds ``wal``; it must also be able to go on."""
    directory.mkdir()
    shutil.copy(left / "log.db", directory / "log.db")
    (directory / "log.db-wal").write_bytes(wal)
    with SqliteStore(directory) as store:
        events = store.read("march") if store.rows("march") else []
        assert len(store.claims()) == len(events) // EVENTS
        assert opened_after(store, events)
    shutil.rmtree(directory)
    return events


def opened_after(store: SqliteStore, events: Sequence[Stored]) -> bool:
    store.release_store("test")
    writer = opened_run(store, "after")
    writer.append()
    return len(store.read("after")) == 1 and (not events or store.read("march") == events)


def test_a_log_cut_at_any_frame_or_within_one_shows_whole_batches(
    killed: tuple[Path, Sequence[Stored]], tmp_path: Path
):
    left, truth = killed
    wal = (left / "log.db-wal").read_bytes()
    lengths = set[int]()
    for number in range(frames(left) + 1):
        for extra in (0, 24, FRAME // 2):
            size = min(WAL_HEADER + number * FRAME + extra, len(wal))
            events = seen_after(left, wal[:size], tmp_path / "cut")
            assert events == truth[: len(events)]
            assert len(events) % EVENTS == 0
            lengths.add(len(events))
    assert lengths == set(range(0, BATCHES * EVENTS + 1, EVENTS))


def test_a_log_garbled_anywhere_shows_whole_batches_from_before(
    killed: tuple[Path, Sequence[Stored]], tmp_path: Path
):
    left, truth = killed
    chance = random.Random(5)
    wal = (left / "log.db-wal").read_bytes()
    for number in range(frames(left)):
        garbled = bytearray(wal)
        at = WAL_HEADER + number * FRAME + chance.choice((0, 9, 16, 24, chance.randrange(FRAME)))
        garbled[at] ^= 1 << chance.randrange(8)
        events = seen_after(left, bytes(garbled), tmp_path / "garbled")
        assert events == truth[: len(events)]
        assert len(events) % EVENTS == 0
        assert len(events) < len(truth) or number == frames(left) - 1


def test_a_log_that_lost_its_head_shows_what_was_copied_back(
    killed: tuple[Path, Sequence[Stored]], tmp_path: Path
):
    left, _ = killed
    assert seen_after(left, b"", tmp_path / "empty") == []
    assert seen_after(left, bytes(100), tmp_path / "zeros") == []
