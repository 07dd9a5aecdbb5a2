"""A transactional tool's writes and its outcome are one commit, whatever happens around it."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from perdure.adapters.tools.connection import Connection, Rows
from perdure.adapters.tools.context import SqlValue, Transaction
from perdure.adapters.tools.outcomes import Found, Never, NotDone, Unknown
from perdure.adapters.tools.transactions import SQLiteDatabase
from perdure.values.digest import Json
from tests.tools.inside import inside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "books.db"
    with closing(sqlite3.connect(where)) as plain, plain:
        plain.execute("CREATE TABLE paid (invoice TEXT PRIMARY KEY)")
    return where


def paying(invoice: str) -> Callable[[Transaction], Json]:
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES (?)", (invoice,))
        return {"paid": invoice}

    return body


def paid(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as plain:
        return [str(name) for (name,) in plain.execute("SELECT invoice FROM paid ORDER BY invoice")]


def test_a_statement_that_fails_leaves_nothing_behind(path: Path):
    database = SQLiteDatabase(path)
    database.perform("k", 1, 5, paying("a"))
    with pytest.raises(NotDone, match="UNIQUE"):
        database.perform("l", 1, 5, paying("a"))
    assert database.resolve("l", 1) == Never(barred=True)


def test_a_thread_frozen_before_its_transaction_can_not_commit_after_it_was_barred(path: Path):
    go, ends = threading.Event(), list[str]()

    def frozen() -> None:
        go.wait(60)
        try:
            SQLiteDatabase(path).perform("k", 1, 5, paying("late"))
        except NotDone as error:
            ends.append(error.reason)

    sender = threading.Thread(target=frozen)
    sender.start()
    assert SQLiteDatabase(path).resolve("k", 1) == Never(barred=True)
    go.set()
    sender.join()
    assert len(ends) == 1
    assert "barred" in ends[0]
    assert paid(path) == []


SENDER = """
import sys, time
from perdure.adapters.tools.transactions import SQLiteDatabase

def body(transaction):
    transaction.execute("INSERT INTO paid VALUES ('late')")
    print("inside", flush=True)
    sys.stdin.readline()
    return "done"

try:
    print(SQLiteDatabase(sys.argv[1]).perform("k", 1, 60, body), flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


def test_a_process_frozen_inside_its_transaction_keeps_the_doubt_open_and_its_death_ends_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.tools.transactions.RESOLVE_SECONDS", 0.2)
    database = SQLiteDatabase(path)
    with inside(SENDER, str(path)) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(Unknown, match="can't be written to now"):
            database.resolve("k", 1)
        process.kill()
        process.wait()
        assert database.resolve("k", 1) == Never(barred=True)
    assert paid(path) == []


def test_a_process_that_was_frozen_and_commits_after_all_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.tools.transactions.RESOLVE_SECONDS", 0.2)
    database = SQLiteDatabase(path)
    with inside(SENDER, str(path)) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(Unknown):
            database.resolve("k", 1)
        os.kill(process.pid, signal.SIGCONT)
        said, _ = process.communicate("go\n", timeout=60)
        assert said == "done\n"
        assert database.resolve("k", 1) == Found("done")
    assert paid(path) == ["late"]


def test_a_tool_that_sleeps_past_its_limit_is_rolled_back_and_gives_the_lock_back(path: Path):
    database = SQLiteDatabase(path)
    inside, free, ends = threading.Event(), threading.Event(), list[object]()

    def sleeping(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('late')")
        inside.set()
        free.wait(60)
        transaction.execute("INSERT INTO paid VALUES ('later')")
        return None

    def run() -> None:
        try:
            database.perform("k", 1, 0.1, sleeping)
        except NotDone as error:
            ends.append(error.reason)

    hanging = threading.Thread(target=run)
    hanging.start()
    assert inside.wait(60)
    assert database.resolve("k", 1) == Never(barred=True)
    free.set()
    hanging.join()
    assert ends == ["its time limit has passed"]
    assert paid(path) == []


def test_a_statement_that_runs_past_the_limit_is_interrupted(path: Path):
    def endless(transaction: Transaction) -> Json:
        transaction.execute(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
        )
        return None

    began = time.monotonic()
    with pytest.raises(NotDone):
        SQLiteDatabase(path).perform("k", 1, 0.1, endless)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "PRAGMA synchronous=OFF",
        "ATTACH ':memory:' AS other",
        "SELECT * FROM perdure_effects",
        "INSERT INTO perdure_effects VALUES ('k', 9, 'done', 'null', 0)",
        "DELETE FROM perdure_effects",
        "DROP TABLE Perdure_Effects",
        "ALTER TABLE perdure_effects RENAME TO mine",
        "CREATE TEMP TABLE perdure_effects (x)",
        "CREATE TEMP VIEW perdure_effects AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON perdure_effects BEGIN SELECT 1; END",
    ],
)
def test_a_tool_reaches_neither_our_table_nor_the_end_of_the_transaction(path: Path, statement: str):
    def body(transaction: Transaction) -> Json:
        transaction.execute(statement)
        return None

    with pytest.raises(NotDone, match="may not do this"):
        SQLiteDatabase(path).perform("k", 1, 5, body)
    assert paid(path) == []


def test_a_tool_that_swallows_a_conflict_which_rolled_back_can_not_write_outside_a_transaction(path: Path):
    database = SQLiteDatabase(path)
    database.perform("k", 1, 5, paying("a"))

    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('b')")
        with pytest.raises(sqlite3.IntegrityError):
            transaction.execute("INSERT OR ROLLBACK INTO paid VALUES ('a')")
        with pytest.raises(NotDone):
            transaction.execute("INSERT INTO paid VALUES ('c')")
        return None

    with pytest.raises(NotDone, match="rolled back"):
        database.perform("l", 1, 5, body)
    assert paid(path) == ["a"]


def test_a_locked_database_is_known_not_done(path: Path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotDone, match="locked"):
            SQLiteDatabase(path).perform("k", 1, 0.1, paying("a"))


def test_a_database_that_is_gone_resolves_nothing(tmp_path: Path):
    with pytest.raises(Unknown, match="can't be written to"):
        SQLiteDatabase(tmp_path / "gone.db").resolve("k", 1)
    assert not (tmp_path / "gone.db").exists()


class Forgetful(SQLiteDatabase):
    """A database whose first commit is reported as failed, done or not."""

    def __init__(self, path: Path, *, commits: bool, then: Callable[[], object] = bool) -> None:
        super().__init__(path)
        self.commits = commits
        self.then = then
        self.armed = True

    def _connect(self, wait: float, *, make: bool) -> Connection:
        connection = super()._connect(wait, make=make)
        if not self.armed:
            return connection
        self.armed = False
        return cast("Connection", cast("object", Lossy(connection, self)))


class Lossy:
    """A connection over which the answer to COMMIT gets lost, or COMMIT itself."""

    def __init__(self, connection: Connection, of: Forgetful) -> None:
        self.connection = connection
        self.of = of

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    def execute(self, statement: str, values: Sequence[SqlValue] = ()) -> Rows:
        if statement != "COMMIT":
            return self.connection.execute(statement, values)
        if self.of.commits:
            self.connection.execute(statement)
        self.of.then()
        raise sqlite3.DatabaseError("disk I/O error")


@pytest.mark.parametrize("commits", [True, False])
def test_a_lost_commit_reply_is_resolved_by_reading(path: Path, commits: bool):
    database = Forgetful(path, commits=commits)
    if commits:
        assert database.perform("k", 1, 5, paying("a")) == {"paid": "a"}
        assert paid(path) == ["a"]
    else:
        with pytest.raises(NotDone, match="commit failed"):
            database.perform("k", 1, 5, paying("a"))
        assert paid(path) == []
    assert not database.armed


def test_a_lost_commit_reply_that_can_not_be_looked_at_is_unknown(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.tools.transactions.RESOLVE_SECONDS", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        database = Forgetful(path, commits=True, then=lambda: other.execute("BEGIN IMMEDIATE"))
        with pytest.raises(Unknown, match="look at it"):
            database.perform("k", 1, 5, paying("a"))
    assert database.resolve("k", 1) == Found({"paid": "a"})
