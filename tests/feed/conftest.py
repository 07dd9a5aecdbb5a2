"""One PostgreSQL for this folder, and an empty feed for each test."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.scale.feed import laid_out, opened
from perdure.adapters.postgres.link.waiting import Database
from tests.servers.postgres import UNSYNCED, Server

EMPTIED = """
TRUNCATE feed, feed_cursors, store; DELETE FROM feed_state; INSERT INTO feed_state DEFAULT VALUES;
ALTER TABLE feed DROP COLUMN IF EXISTS number;
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(
        tmp_path_factory.mktemp("postgres") / "feed", UNSYNCED | {"max_prepared_transactions": "5"}
    ) as running:
        yield running


@pytest.fixture(scope="session")
def tables(server: Server) -> str:
    made = server.database("feed")
    laid_out(made)
    return made


@pytest.fixture
def dsn(tables: str) -> str:
    """An empty feed. Databases are slower to make than to empty."""
    with opened(tables) as db:
        db.execute(EMPTIED)
    return tables


@pytest.fixture
def db(dsn: str) -> Iterator[Database]:
    with opened(dsn) as session:
        yield session


@contextmanager
def under_way(dsn: str, run: int, first: int, name: str = "") -> Generator[Database]:
    """A transaction that has written a batch and not ended; what its user does then ends it, or the end does."""
    with Database.connect(dsn, application_name=name, options="-c search_path=perdure") as slow:
        wrote(slow, run, first)
        yield slow
        if not slow.closed:
            slow.rollback()


def wrote(db: Database, run: int, first: int) -> None:
    db.execute("INSERT INTO feed (run, first, last) VALUES (%s, %s, %s)", (run, first, first))
