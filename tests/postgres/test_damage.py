"""What is changed behind the store's back is refused by run and position, never served."""

import psycopg
import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended
from perdure.values.errors import BlobMissing, StoreDamaged
from tests.conformance.stores import blob, claim, forked_run, opened_run


def spoiled(database: str, deed: str) -> None:
    with psycopg.connect(database) as db:
        assert db.execute(deed.encode()).rowcount == 1


@pytest.mark.parametrize(
    ("deed", "place"),
    [
        ("UPDATE perdure.events SET frame = frame || '\\x00' WHERE position = 3", "march at 3"),
        ("UPDATE perdure.events SET digest = sha256('x') WHERE position = 3", "march at 3"),
        ("DELETE FROM perdure.events WHERE position = 3", "march at 3"),
        ("DELETE FROM perdure.events WHERE position = 5", "up to 5"),
        ("UPDATE perdure.events SET position = 9 WHERE position = 3", "march at 3"),
        ("UPDATE perdure.runs SET position = 7", "up to 7"),
    ],
)
def test_a_changed_removed_or_cut_event_is_named(database: str, store: PostgresStore, deed: str, place: str):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    spoiled(database, deed)
    with pytest.raises(StoreDamaged, match=place):
        store.read("march")


def test_reading_goes_on_only_from_an_event_that_is_there(database: str, store: PostgresStore):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    spoiled(database, "DELETE FROM perdure.events WHERE position = 3")
    assert len(store.read("march", 0, 2)) == 2
    with pytest.raises(StoreDamaged, match="march at 3"):
        store.read("march", 3)


def test_a_forks_prefix_is_checked_like_its_own_events(database: str, store: PostgresStore):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    fork = forked_run(store, "march", 4, "fork")
    fork.append(fork.batch(2))
    spoiled(database, "UPDATE perdure.events SET frame = frame || '\\x00' WHERE position = 2")
    with pytest.raises(StoreDamaged, match="march at 2"):
        store.read("fork")
    assert len(store.read("fork", 4)) == 2


def test_a_changed_blob_is_refused_and_a_removed_one_is_missing(database: str, store: PostgresStore):
    name, content = blob(b"content " * 50)
    writer = opened_run(store)
    writer.append(writer.batch(blobs=[(name, content)]))
    spoiled(database, "UPDATE perdure.blobs SET form = 0, content = 'x'")
    with pytest.raises(StoreDamaged, match=name):
        store.get(name)
    spoiled(database, "DELETE FROM perdure.blobs")
    with pytest.raises(BlobMissing):
        store.get(name)


def test_a_claim_whose_settling_event_is_gone_is_damaged(database: str, store: PostgresStore):
    writer = opened_run(store)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    spoiled(database, "UPDATE perdure.claims SET outcome = 'succeeded', result_run = run, result_at = 99")
    with pytest.raises(StoreDamaged, match="k1"):
        store.claims()
    with pytest.raises(StoreDamaged, match="k1"):
        writer.append(writer.batch(opened=[claim("k2", "s1")]))
    assert writer.append() == Appended(2), "others go on"
