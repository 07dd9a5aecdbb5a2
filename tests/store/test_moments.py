"""What is told of a run is what one commit left, though others write between two looks at it."""

from pathlib import Path

import pytest

from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.heads import end_of
from perdure.adapters.sqlite.readers import Readers
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.port import RunRow
from tests.conformance.stores import Writer, holder, opened_run

END_OF = "perdure.adapters.sqlite.reading.end_of"


def rows_beside_a_takeover(place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunRow, RunRow, RunRow]:
    """Return the row as it was, as it was told while another writer took the run over and wrote, and as it is."""
    with SqliteStore(place) as store, SqliteStore(place) as other:
        first = opened_run(store)
        first.append(first.batch())
        (before,) = store.rows("march")

        def taken_over_first(db: Database, number: int, forked_at: int) -> tuple[int, bytes]:
            monkeypatch.setattr(END_OF, end_of)
            lease = other.acquire("march", holder("w2"), take_over=True)
            second = Writer(other, "march", lease, first.position, first.head)
            second.append(second.batch())
            return end_of(db, number, forked_at)

        monkeypatch.setattr(END_OF, taken_over_first)
        (told,) = store.rows("march")
        (after,) = store.rows("march")
        return before, told, after


def test_a_row_never_mixes_the_lease_of_one_moment_with_the_head_of_another(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    before, told, after = rows_beside_a_takeover(place, monkeypatch)
    assert after.epoch > before.epoch
    assert after.position > before.position
    assert told == before


def test_a_store_that_reads_a_row_in_two_looks_is_caught(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Readers, "moment", Readers.borrowed)
    before, told, after = rows_beside_a_takeover(place, monkeypatch)
    assert (told.epoch, told.position) == (before.epoch, after.position)
