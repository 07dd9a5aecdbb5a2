"""Transactional tools in the user's PostgreSQL: what they can't reach, and what they are told."""

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Never, NotDone, Unknown
from perdure.adapters.tools.postgres.database import PostgresDatabase
from perdure.values.digest import Json
from perdure.values.errors import BadInput, BadTool, ToolTooMighty
from tests.tools_postgres.conftest import paid


def paying(invoice: str) -> Callable[[Transaction], Json]:
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES (%s)", (invoice,))
        return {"paid": invoice}

    return body


def saying(statement: str) -> Callable[[Transaction], Json]:
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('x')")
        transaction.execute(statement)
        return None

    return body


def test_a_statement_that_fails_leaves_nothing_behind_even_where_the_tool_swallows_it(
    books: PostgresDatabase, dsn: str
):
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('b')")
        with pytest.raises(psycopg.Error):
            transaction.execute("INSERT INTO paid VALUES ('b')")
        return None

    with pytest.raises(NotDone):
        books.perform("k", 1, 5, body)
    assert paid(dsn) == []
    assert books.resolve("k", 1) == Never(barred=True)


def test_a_sender_that_is_barred_in_mid_transaction_can_not_commit(books: PostgresDatabase, dsn: str):
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('late')")
        assert books.resolve("k", 1) == Never(barred=True)
        return None

    with pytest.raises(NotDone, match="perdure_receipts"):
        books.perform("k", 1, 5, body)
    assert paid(dsn) == []


def test_a_tool_that_sleeps_past_its_limit_is_rolled_back_while_it_sleeps(books: PostgresDatabase, dsn: str):
    inside, free, ends = threading.Event(), threading.Event(), list[str]()

    def sleeping(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('late')")
        inside.set()
        free.wait(60)
        transaction.execute("INSERT INTO paid VALUES ('later')")
        return None

    def run() -> None:
        try:
            books.perform("k", 1, 0.2, sleeping)
        except NotDone as error:
            ends.append(error.reason)

    hanging = threading.Thread(target=run)
    hanging.start()
    assert inside.wait(60)
    # The row is locked by the tool until it is rolled back; so this waits for that.
    assert books.perform("l", 1, 10, paying("late")) == {"paid": "late"}
    free.set()
    hanging.join()
    assert len(ends) == 1
    assert paid(dsn) == ["late"]


def test_a_statement_that_runs_past_the_limit_is_interrupted(books: PostgresDatabase):
    with pytest.raises(NotDone):
        books.perform("k", 1, 0.2, saying("SELECT pg_sleep(60)"))


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT",
        "/* quick */ rollback",
        "-- now\n BEGIN",
        "SAVEPOINT s",
        "SET ROLE postgres",
        "RESET ROLE",
        "PREPARE TRANSACTION 'x'",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT * FROM perdure_tools.perdure_receipts",
        "DELETE FROM perdure_tools.Perdure_Receipts",
    ],
)
def test_a_tool_can_not_end_its_transaction_or_reach_the_receipts(
    books: PostgresDatabase, dsn: str, statement: str
):
    with pytest.raises(NotDone, match="may not do this"):
        books.perform("k", 1, 5, saying(statement))
    assert paid(dsn) == []


@pytest.mark.parametrize(
    "statement", ["SELECT 1; COMMIT", "DO $$ BEGIN COMMIT; END $$", "SELECT 1; DROP TABLE paid"]
)
def test_nothing_hides_behind_another_statement(books: PostgresDatabase, dsn: str, statement: str):
    with pytest.raises(NotDone):
        books.perform("k", 1, 5, saying(statement))
    assert paid(dsn) == []


def test_rows_come_back_and_values_of_postgres_go_in(books: PostgresDatabase):
    def body(transaction: Transaction) -> Json:
        rows = transaction.execute("SELECT %s + 1, %s::date, 'a%%b'", (Decimal("1.5"), date(2026, 1, 2)))
        assert next(rows) == (Decimal("2.5"), date(2026, 1, 2), "a%b")
        assert next(transaction.execute("SELECT 'a%b' LIKE 'a%'")) == (True,)
        assert list(transaction.execute("CREATE TEMP TABLE t (x int)")) == []
        return None

    assert books.perform("k", 1, 5, body) is None


def test_a_database_that_is_away_is_known_not_done_and_resolves_nothing():
    away = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(NotDone):
        away.perform("k", 1, 5, paying("a"))
    with pytest.raises(Unknown):
        away.resolve("k", 1)


def test_a_tool_that_could_reach_the_log_is_refused(shared: str):
    with pytest.raises(ToolTooMighty):
        PostgresDatabase(shared).check()
    with pytest.raises(ToolTooMighty):
        PostgresDatabase(shared, role="clerk").check()
    with pytest.raises(NotDone, match="P632"):
        PostgresDatabase(shared).perform("k", 1, 5, paying("a"))
    assert paid(shared) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM perdure.events",
        "DELETE FROM perdure.events",
        "DO $$ BEGIN EXECUTE 'SET LOCAL ROLE perdure'; END $$",
        "DO $$ BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'SELECT * FROM perdure.events'; END $$",
        "DO $$ BEGIN EXECUTE 'DELETE FROM perdure_tools.perdure_' || 'receipts'; END $$",
    ],
)
def test_a_tool_with_a_role_of_its_own_works_beside_the_log_and_does_not_reach_it(
    shared: str, statement: str
):
    tools = PostgresDatabase(shared.replace("perdure@", "tools@"), role="clerk")
    tools.check()
    assert tools.perform("beside", 1, 5, paying("beside")) == {"paid": "beside"}
    with pytest.raises(NotDone, match=r"permission denied|changed who runs it"):
        tools.perform("k", 1, 5, saying(statement))
    assert paid(shared) == ["beside"]


def test_who_may_not_make_the_receipts_is_told_what_to_run(server: object, dsn: str):
    with psycopg.connect(dsn) as db:
        db.execute("DROP ROLE IF EXISTS plain")
        db.execute("CREATE ROLE plain LOGIN")
    with pytest.raises(BadTool) as caught:
        PostgresDatabase(dsn.replace("perdure@", "plain@")).check()
    assert "CREATE SCHEMA perdure_tools" in caught.value.hint


def test_names_that_could_be_more_than_names_are_refused():
    with pytest.raises(BadInput):
        PostgresDatabase("postgresql://h/d", role='x"; DROP TABLE paid')
    assert "secret" not in repr(PostgresDatabase("postgresql://u:secret@h/d"))
