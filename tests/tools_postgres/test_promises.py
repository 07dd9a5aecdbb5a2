"""A transactional tool's writes and its outcome are one commit, in whichever of the user's databases."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never, NotDone
from perdure.adapters.tools.postgres.database import PostgresDatabase
from perdure.adapters.tools.transactions import SQLiteDatabase
from perdure.values.digest import Json
from tests.tools_postgres.conftest import paid


class Books(NamedTuple):
    """A user's database with a table ``paid``, and a look at it past the tool."""

    database: SQLiteDatabase | PostgresDatabase
    paid: Callable[[], list[str]]


def in_sqlite(place: Path) -> Books:
    file = place / "books.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE paid (invoice TEXT PRIMARY KEY)")

    def looked() -> list[str]:
        with closing(sqlite3.connect(file)) as db:
            return [str(name) for (name,) in db.execute("SELECT invoice FROM paid ORDER BY invoice")]

    return Books(SQLiteDatabase(file), looked)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    if request.param == "SQLite":
        return in_sqlite(tmp_path)
    dsn = str(request.getfixturevalue("dsn"))
    return Books(PostgresDatabase(dsn), lambda: paid(dsn))


def paying(invoice: str) -> Callable[[Transaction], Json]:
    def body(transaction: Transaction) -> Json:
        transaction.execute(f"INSERT INTO paid VALUES ('{invoice}')")
        return {"paid": invoice}

    return body


def test_a_deed_and_its_outcome_are_committed_together(books: Books):
    assert books.database.perform("k", 1, 5, paying("a")) == {"paid": "a"}
    assert books.paid() == ["a"]
    assert books.database.resolve("k", 1) == Found({"paid": "a"})


def test_a_key_that_is_done_is_answered_and_not_done_again(books: Books):
    books.database.perform("k", 1, 5, paying("a"))
    assert books.database.perform("k", 1, 5, paying("b")) == {"paid": "a"}
    assert books.database.perform("k", 2, 5, paying("b")) == {"paid": "a"}
    assert books.paid() == ["a"]


@pytest.mark.parametrize("error", [ValueError("no"), NotDone("no"), KeyError("no")])
def test_a_tool_that_raises_is_known_not_done(books: Books, error: Exception):
    def body(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('a')")
        raise error

    with pytest.raises(NotDone, match="no"):
        books.database.perform("k", 1, 5, body)
    assert books.paid() == []
    assert books.database.perform("k", 1, 5, paying("b")) == {"paid": "b"}


def test_never_is_for_ever_since_the_sends_are_barred(books: Books):
    assert books.database.resolve("k", 2) == Never(barred=True)
    for send in (1, 2):
        with pytest.raises(NotDone, match="barred"):
            books.database.perform("k", send, 5, paying("a"))
    assert books.database.perform("k", 3, 5, paying("a")) == {"paid": "a"}
    assert books.database.resolve("k", 3) == Found({"paid": "a"})
    assert books.paid() == ["a"]


def test_a_transaction_kept_for_later_is_refused(books: Books):
    kept: list[Transaction] = []

    def body(transaction: Transaction) -> Json:
        kept.append(transaction)
        return None

    books.database.perform("k", 1, 5, body)
    with pytest.raises(NotDone, match="has returned"):
        kept[0].execute("INSERT INTO paid VALUES ('late')")
    assert books.paid() == []
