"""What holds the feed back is named, with what it does and without what it was given."""

import psycopg
import pytest

from benchmarks.scale.feed import feed_of, opened
from perdure.adapters.postgres.following.stalling import shorn
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.feed import Stall
from tests.feed.conftest import under_way, wrote
from tests.servers.postgres import Server


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.adapters.postgres.following.feed.FEED_STALL_SECONDS", 0.0)


def stall_of(db: Database) -> Stall:
    stall = feed_of(db).page().stalled_by
    assert stall is not None
    return stall


def test_the_session_that_holds_the_feed_back_is_named(db: Database, dsn: str):
    with under_way(dsn, 1, 1, "nightly import") as slow:
        slow.execute("SELECT 'a secret', 42, %s", ("more",))
        wrote(db, 2, 1)
        stall = stall_of(db)
        assert (stall.kind, stall.pid, stall.name) == ("session", slow.info.backend_pid, "nightly import")
        assert stall.state == "idle in transaction, waits for its client"
        assert stall.query == "SELECT ?, ?, $1"
        assert stall.seconds > 0
        assert str(stall.pid) in stall.cure


def test_a_transaction_of_another_database_holds_the_feed_back_too(db: Database, server: Server):
    with psycopg.connect(server.dsn("postgres"), application_name="elsewhere") as other:
        other.execute("CREATE TEMP TABLE anything (x int)")
        wrote(db, 2, 1)
        stall = stall_of(db)
        assert (stall.name, stall.database) == ("elsewhere", "postgres")
        other.rollback()
    assert len(feed_of(db).page().entries) == 1


def test_a_prepared_transaction_that_nobody_ends_is_named(db: Database, dsn: str):
    with Database.connect(dsn, autocommit=True, options="-c search_path=perdure") as other:
        other.execute("BEGIN")
        wrote(other, 1, 1)
        other.execute("PREPARE TRANSACTION 'left behind'")
    wrote(db, 2, 1)
    stall = stall_of(db)
    assert (stall.kind, stall.pid, stall.name) == ("prepared", None, "left behind")
    db.execute("ROLLBACK PREPARED 'left behind'")
    assert len(feed_of(db).page().entries) == 1


def test_a_reader_with_few_rights_still_learns_who_it_is(db: Database, dsn: str, server: Server):
    db.execute("CREATE ROLE follower LOGIN")
    db.execute(
        "GRANT USAGE ON SCHEMA perdure TO follower; GRANT SELECT ON feed, runs, feed_state TO follower"
    )
    try:
        with (
            under_way(dsn, 1, 1, "nightly import") as slow,
            opened(dsn.replace("perdure@", "follower@")) as theirs,
        ):
            wrote(db, 2, 1)
            stall = stall_of(theirs)
            assert (stall.pid, stall.name) == (slow.info.backend_pid, "nightly import")
            assert "SELECT" not in stall.query
    finally:
        db.execute("DROP OWNED BY follower; DROP ROLE follower")


def test_nothing_is_said_to_stall_where_nothing_waits(db: Database, dsn: str):
    with under_way(dsn, 1, 1):
        page = feed_of(db).page()
        assert (page.stalled_by, page.lag_seconds) == (None, 0.0)


def test_a_page_that_is_full_is_behind_and_not_stalled(db: Database):
    for first in range(3):
        wrote(db, 1, first)
    page = feed_of(db).page(None, 2)
    assert page.stalled_by is None
    assert page.lag_seconds > 0


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1", "SELECT ?"),
        (
            "UPDATE users2 SET t1 = 'it''s', n = 3.5e7 WHERE id = $1",
            "UPDATE users2 SET t1 = ?, n = ? WHERE id = $1",
        ),
        (r"SELECT E'a\'b', 'c'", "SELECT ?, ?"),
        ("SELECT $$a'b$$, $x$ c $$ d $x$", "SELECT ?, ?"),
        ("SELECT 'cut off in the mid", "SELECT ?"),
        ("SELECT $x$ cut off", "SELECT ?"),
        ("INSERT INTO t VALUES ('a', -- it's\n 5)", "INSERT INTO t VALUES (?, ? ?)"),
        ("SELECT /* 'x */ 'y'", "SELECT ? ?"),
        ('SELECT "na7me" FROM t', 'SELECT "na7me" FROM t'),
    ],
)
def test_values_are_left_out_of_what_is_said_of_a_statement(query: str, said: str):
    assert shorn(query) == said


def test_of_a_long_statement_the_beginning_is_said():
    assert len(shorn("SELECT " + ", ".join(["column"] * 500))) == 120
