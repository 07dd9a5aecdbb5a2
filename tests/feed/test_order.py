"""Nothing is missed and nothing comes twice, in whatever order transactions commit."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.scale.feed import BY_NUMBER, NUMBERED, Naive, feed_of, laid_out, opened, raced
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.feed import FedBatch
from tests.feed.conftest import under_way, wrote
from tests.servers.postgres import Server

TRIES = 5


def test_a_batch_that_commits_late_comes_before_those_that_waited_for_it(db: Database, dsn: str):
    feed = feed_of(db)
    with under_way(dsn, 1, 1) as slow:
        wrote(db, 2, 1)
        held = feed.page()
        assert held.entries == ()
        slow.commit()
        page = feed.page(held.cursor)
    assert page.entries == (FedBatch("run-1", 1, 1), FedBatch("run-2", 1, 1))
    assert feed.page(page.cursor).entries == ()


def test_a_reader_that_follows_numbers_misses_the_batch_that_commits_late(db: Database, dsn: str):
    db.execute(NUMBERED)
    broken = Naive(db, BY_NUMBER)
    with under_way(dsn, 1, 1) as slow:
        wrote(db, 2, 1)
        assert broken.news() == [(2, 1)]
        slow.commit()
    assert broken.news() == []


def test_a_batch_whose_transaction_is_rolled_back_is_never_given_out(db: Database, dsn: str):
    feed = feed_of(db)
    with under_way(dsn, 1, 1):
        wrote(db, 2, 1)
    assert feed.page().entries == (FedBatch("run-2", 1, 1),)


def test_pages_of_any_size_give_the_same(db: Database):
    feed = feed_of(db)
    with db.transaction():
        for first in range(1, 8):
            wrote(db, 1 + first % 3, first)
    whole = feed.page().entries
    cursor, parts = None, list[FedBatch]()
    while True:
        page = feed.page(cursor, 2)
        if not page.entries:
            break
        parts += page.entries
        cursor = page.cursor
    assert len(whole) == 7
    assert tuple(parts) == tuple(whole)


def test_under_slow_and_failing_writers_nothing_is_missed_and_followers_of_numbers_are_caught(server: Server):
    caught = False
    for seed in range(TRIES):
        dsn = server.database(f"race_{seed}")
        laid_out(dsn)
        found = raced(dsn, seed=seed, seconds=2)
        assert found.feed_batches > 0
        assert (found.feed_missed, found.feed_twice, found.feed_out_of_order) == (0, 0, 0)
        caught = found.feed_missed_by_number > 0 and found.feed_missed_without_horizon > 0
        if caught:
            break
    assert caught


@pytest.mark.soak
def test_nothing_is_missed_for_a_minute_with_sixteen_writers(dsn: str):
    found = raced(dsn, seed=99, seconds=60, writers=12)
    assert (found.feed_missed, found.feed_twice, found.feed_out_of_order) == (0, 0, 0)
    assert found.feed_missed_by_number > 0


def test_a_reader_on_a_standby_misses_nothing_either(
    dsn: str, db: Database, server: Server, tmp_path_factory: pytest.TempPathFactory
):
    with following(server, tmp_path_factory.mktemp("postgres") / "standby", dsn) as there:
        feed = feed_of(there)
        with under_way(dsn, 1, 1) as slow:
            wrote(db, 2, 1)
            caught_up(db, there)
            held = feed.page()
            assert held.entries == ()
            slow.commit()
        caught_up(db, there)
        assert feed.page(held.cursor).entries == (FedBatch("run-1", 1, 1), FedBatch("run-2", 1, 1))


@contextmanager
def following(primary: Server, directory: Path, dsn: str) -> Generator[Database]:
    """A connection to a standby of ``primary``."""
    standby = Server(directory, primary.settings)
    standby.copy_of(primary, "standby")
    with standby, opened(standby.dsn(dsn.rpartition("/")[2])) as there:
        yield there


def caught_up(db: Database, there: Database) -> None:
    """The standby has replayed all that the primary has written."""
    row = db.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert row is not None
    while True:
        seen = there.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_sleep(0.01)", row).fetchone()
        if seen is not None and seen[0]:
            return
