"""A store's budget: content of workspaces is refused beyond it, and nothing that was done is ever lost to it."""

import random
import shutil
from pathlib import Path

import apsw
import pytest

from perdure.adapters.sqlite import budget
from perdure.adapters.sqlite.budget import Meter, Room
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.port import Appended
from perdure.values.errors import BadInput, StoreFull
from perdure.values.limits import STORE_BYTES_DEFAULT
from tests.conformance.stores import Writer, blob, claim, opened_run
from tests.store.trees import Tree, say, taken


def noise(seed: int, size: int = 200_000) -> tuple[str, bytes]:
    return blob(random.Random(seed).randbytes(size))


def filled(store: SqliteStore) -> int:
    """Put content until it is refused, and return how many bytes were taken."""
    held = 0
    for seed in range(100):
        name, content = noise(seed)
        try:
            store.put(name, content)
        except StoreFull:
            return held
        held += len(content)
    raise AssertionError("the store took twenty megabytes")


def test_content_beyond_the_budget_is_refused_and_events_and_outcomes_are_not(
    place: Path, store: SqliteStore, writer: Writer
):
    used = store.room().used
    store.set_budget(used + 3_000_000)
    held = filled(store)
    assert 2_000_000 < held <= 3_000_000
    outcome = noise(1000, 2_000_000)
    batch = writer.batch(blobs=[outcome], opened=[claim("k")], text="x" * 400)
    assert writer.append(batch) == Appended(1)
    assert store.get(outcome[0]) == outcome[1]
    assert store.room().over
    with pytest.raises(StoreFull, match="may take 3,") as refused:
        store.put(*noise(2000, 10))
    assert all(cure in refused.value.hint for cure in ("store gc", "store thin", "store budget"))
    # What is here already costs nothing.
    store.put(*noise(0))


def test_a_store_that_was_freed_takes_content_again(place: Path, store: SqliteStore, writer: Writer):
    store.set_budget(store.room().used + 3_000_000)
    filled(store)
    writer.append()
    with SqliteStore(place) as other:
        assert other.collect(grace_seconds=0).taken.bytes > 2_000_000
    assert store.room().used < 1_500_000
    assert filled(store) > 1_500_000


def test_another_processes_content_counts(place: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(budget, "MEASURE_SECONDS", 0.0)
    store.set_budget(store.room().used + 3_000_000)
    with SqliteStore(place) as other:
        filled(other)
    with pytest.raises(StoreFull):
        store.put(*noise(1000, 900_000))


def test_large_files_count_and_free_pages_do_not(place: Path):
    with SqliteStore(place) as store:
        before = store.room().used
        store.put(*noise(1, 5_000_000))
        assert store.room().used > before + 4_900_000
        for seed in range(20):
            store.put(*noise(seed + 10))
        opened_run(store)
    with SqliteStore(place) as store:
        held = store.room().used
        store.collect()
        assert store.room().used < held - 8_500_000
        assert store.stats().file_bytes > 4_000_000


def test_a_store_that_nobody_spoke_of_has_a_budget_that_fills_no_disk(store: SqliteStore):
    room = store.room()
    assert not room.chosen
    assert room.budget == min(STORE_BYTES_DEFAULT, room.used + room.free // 2) or room.free < 40 << 30
    assert not room.scarce
    store.set_budget(None)
    assert (store.room().budget, store.room().chosen) == (None, True)
    assert not store.room().over
    store.set_budget(room.used)
    assert store.room().scarce
    store.forget_budget()
    assert not store.room().chosen


def test_a_budget_is_kept_by_the_store_and_by_its_copies(place: Path, tmp_path: Path):
    with SqliteStore(place) as store:
        store.set_budget(12_345_678)
        store.backup(tmp_path / "copy")
    for where in (place, tmp_path / "copy"):
        with SqliteStore(where) as again:
            assert again.room().budget == 12_345_678
            assert again.stats().room.budget == 12_345_678


def test_a_store_that_was_made_before_there_were_budgets_opens_reads_and_gets_one(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
    (place / "log.db-usage").unlink()
    db = apsw.Connection(str(place / "log.db"))
    db.execute("DROP TABLE settings; DROP TABLE condemned")
    db.close()
    with SqliteStore(place) as store:
        assert not store.room().chosen
        assert store.has(tree.name)
        assert store.collect(trial=True).taken.blobs == 0
        store.set_budget(7_000_000)
        assert store.room().budget == 7_000_000
        assert store.collect().reached.blobs == len(tree.blobs)


def test_a_meter_measures_before_it_refuses():
    rooms = [Room(0, 100, chosen=True, free=1), Room(90, 100, chosen=True, free=1)]
    meter = Meter(lambda: rooms.pop(0), lambda: 0)
    meter.take(60)
    with pytest.raises(StoreFull):
        meter.take(60)
    assert not rooms


def test_compacting_gives_free_pages_back_and_changes_nothing_else(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
        for seed in range(40):
            store.put(*noise(seed))
        say(writer, e.TimerFired("t"))
    with SqliteStore(place) as store:
        store.collect()
        events = store.read("march")
        shrunk = store.compact()
        assert shrunk.before > 7_000_000
        assert shrunk.after < 1_000_000
        assert shrunk.needed > 2 * shrunk.after
        assert store.read("march") == events
        assert all(store.get(name) == content for name, content in tree.blobs.items())
        assert store.suspended() is None


def test_compacting_without_room_for_it_is_refused_with_what_it_takes(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
):
    # The disk of this test has room; a smaller one is shown to it.
    real = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: real._replace(free=1_000_000))
    with pytest.raises(BadInput, match="for the time being"):
        store.compact()
