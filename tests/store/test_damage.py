"""Bytes that are not what was written: refused, with the run and the position, never served."""

import random
from pathlib import Path

import apsw
import pytest

from perdure.adapters.sqlite.layout import PAGE_BYTES
from perdure.adapters.sqlite.store import SqliteStore
from perdure.values.errors import BadInput, BlobMissing, StoreDamaged, StoreNewer
from tests.conformance.stores import blob, opened_run


@pytest.fixture
def closed(place: Path) -> Path:
    """A store with two runs of 60 events, closed."""
    with SqliteStore(place) as store:
        for run in ("march", "april"):
            writer = opened_run(store, run)
            writer.append(writer.batch(60, text="a" * 400))
    return place


def change(place: Path, sql: str) -> None:
    db = apsw.Connection(str(place / "log.db"))
    db.execute(sql)
    db.close()


REORDERED = """
UPDATE events SET position = 61 WHERE run = 1 AND position = 20;
UPDATE events SET position = 20 WHERE run = 1 AND position = 21;
UPDATE events SET position = 21 WHERE run = 1 AND position = 61;
"""
INSERTED = """
UPDATE events SET position = -position - 1 WHERE run = 1 AND position >= 20;
UPDATE events SET position = -position WHERE run = 1 AND position < 0;
INSERT INTO events (run, position, frame, digest)
SELECT 1, 20, frame, digest FROM events WHERE run = 1 AND position = 19;
"""
EDITED = """
UPDATE events SET frame = CAST(replace(CAST(frame AS TEXT), 'm20', 'm21') AS BLOB)
WHERE run = 1 AND position = 20;
"""
SWAPPED = """
UPDATE events SET frame = other.frame, digest = other.digest
FROM (SELECT frame, digest FROM events WHERE run = 2 AND position = 20) AS other
WHERE run = 1 AND position = 20;
"""
TAMPERINGS = {
    "edited": EDITED,
    "deleted": "DELETE FROM events WHERE run = 1 AND position = 20",
    "reordered": REORDERED,
    "inserted": INSERTED,
    "taken from another run": SWAPPED,
    "given another digest": "UPDATE events SET digest = zeroblob(32) WHERE run = 1 AND position = 20",
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_an_event_that_was_tampered_with_is_refused_by_name(closed: Path, how: str):
    change(closed, TAMPERINGS[how])
    with SqliteStore(closed) as store:
        with pytest.raises(StoreDamaged, match=r"march.* 20"):
            store.read("march")
        assert len(store.read("march", 0, 19)) == 19
        assert len(store.read("april")) == 60


def test_a_fork_is_told_when_its_parents_prefix_was_cut(closed: Path):
    from perdure.log.port import NewRun

    with SqliteStore(closed) as store:
        store.create(NewRun("fork", "x", "acme", 1, "march", 50))
    change(closed, "DELETE FROM events WHERE run = 1 AND position > 40")
    with SqliteStore(closed) as store, pytest.raises(StoreDamaged, match="march up to 50"):
        store.read("fork")


def test_any_flipped_bit_in_a_page_of_events_is_refused_or_harmless(closed: Path):
    truth: list[object] = []
    with SqliteStore(closed) as store:
        truth.extend(store.read("march"))
    whole = (closed / "log.db").read_bytes()
    chance = random.Random(2)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[chance.randrange(PAGE_BYTES, len(whole))] ^= 1 << chance.randrange(8)
        (closed / "log.db").write_bytes(damaged)
        try:
            with SqliteStore(closed) as store:
                assert list(store.read("march")) == truth
        except StoreDamaged:
            refused += 1
    assert refused > 5


def test_a_page_of_zeros_is_refused_with_run_and_position(closed: Path):
    db = apsw.Connection(str(closed / "log.db"))
    page = db.execute(
        "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 2"
    ).get
    db.close()
    whole = bytearray((closed / "log.db").read_bytes())
    whole[(page - 1) * PAGE_BYTES : page * PAGE_BYTES] = bytes(PAGE_BYTES)
    (closed / "log.db").write_bytes(whole)
    with SqliteStore(closed) as store:
        with pytest.raises(StoreDamaged, match=r"march at \d+") as told:
            store.read("march")
        position = int(str(told.value).split(" at ")[1].split(":")[0])
        assert len(store.read("march", 0, position - 1)) == position - 1


def test_a_blob_that_rotted_is_refused(place: Path):
    name, content = blob(random.Random(1).randbytes(5000))
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[(name, content)]))
    change(place, "UPDATE blobs SET content = zeroblob(length(content))")
    with SqliteStore(place) as store, pytest.raises(StoreDamaged, match=name):
        store.get(name)


@pytest.mark.parametrize("harm", ["garbled", "cut", "gone"])
def test_a_blob_file_that_rotted_is_refused_whole_and_in_part(place: Path, harm: str):
    name, content = blob(b"x" * 400_000 + random.Random(1).randbytes(3_000_000))
    with SqliteStore(place) as store:
        store.put(name, content)
    (file,) = (place / "blobs").rglob("*.zst")
    kept = file.read_bytes()
    match harm:
        case "garbled":
            file.write_bytes(kept[:2_000_000] + b"?" + kept[2_000_001:])
        case "cut":
            file.write_bytes(kept[:2_000_000])
        case _:
            file.unlink()
    with SqliteStore(place) as store:
        with pytest.raises(BlobMissing if harm == "gone" else StoreDamaged, match=name):
            store.get(name)
        with pytest.raises(BlobMissing if harm == "gone" else StoreDamaged, match=name):
            store.get(name, 2_300_000, 10)


def test_a_store_of_a_newer_perdure_is_not_opened(closed: Path):
    change(closed, "PRAGMA user_version = 99")
    with pytest.raises(StoreNewer, match="99"):
        SqliteStore(closed)


def test_a_file_of_another_program_is_not_taken_for_a_store(place: Path):
    place.mkdir()
    db = apsw.Connection(str(place / "log.db"))
    db.execute("CREATE TABLE theirs (a)")
    db.close()
    with pytest.raises(BadInput):
        SqliteStore(place)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400])
def test_a_file_that_is_no_database_is_damage(place: Path, content: bytes):
    place.mkdir()
    (place / "log.db").write_bytes(content)
    with pytest.raises(StoreDamaged):
        SqliteStore(place)


def test_a_store_that_is_not_there_is_made_only_when_asked(place: Path):
    with pytest.raises(BadInput):
        SqliteStore(place, create=False)
    assert not place.exists()
    SqliteStore(place).close()
    SqliteStore(place, create=False).close()
