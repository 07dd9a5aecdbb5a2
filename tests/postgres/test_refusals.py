"""What is wrong with an address, a role or a server is said at once, with what to do about it."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.schema.migrating import migrate
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended, NewRun
from perdure.values.errors import (
    BadInput,
    Busy,
    PerdureError,
    StoreAway,
    StoreDenied,
    StoreFailed,
    StoreReadOnly,
)
from tests.conformance.stores import SECONDS, holder, opened_run, post
from tests.servers.ports import free_port
from tests.servers.shared import GUARDED, server


def of(user: str, database: str, password: str = "") -> str:
    return f"postgresql://{user}{password and ':' + password}@127.0.0.1:{server().port}/{database}"


def refused(dsn: str) -> PerdureError:
    with pytest.raises(PerdureError) as caught:
        PostgresStore(dsn)
    return caught.value


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://%zz", "host=127.0.0.1 nonsense=1", "postgresql://h:port/d", "postgresql://h:99999/d"],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(dsn: str):
    error = refused(dsn)
    assert isinstance(error, BadInput)
    assert "postgresql://USER@HOST:PORT/DATABASE" in error.hint


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_or_missing_password_is_said_and_never_shown(database: str, password: str):
    error = refused(of(GUARDED, database.rpartition("/")[2], password))
    assert isinstance(error, StoreDenied)
    assert "password" in error.hint
    assert "wrong" not in str(error).replace("wrong password", "")


def test_the_right_password_lets_in(database: str):
    with pytest.raises(StoreDenied) as caught:
        PostgresStore(of(GUARDED, database.rpartition("/")[2], "open%20sesame"))
    assert "--worker" in caught.value.hint, "it is in, and has no rights yet"


def test_a_database_that_is_not_there_is_said():
    error = refused(of("perdure", "nowhere"))
    assert isinstance(error, StoreDenied)
    assert "createdb" in error.hint


def test_a_role_that_is_not_there_is_said(database: str):
    error = refused(of("nobody", database.rpartition("/")[2]))
    assert isinstance(error, StoreDenied)
    assert "createuser" in error.hint


def test_tables_that_are_no_store_s_are_said_to_be_in_the_way(empty: str):
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("CREATE SCHEMA perdure")
        db.execute("CREATE TABLE perdure.runs (name text)")
    error = refused(empty)
    assert isinstance(error, BadInput)
    assert "another database" in error.hint


def test_a_server_that_has_no_tls_is_not_used_where_tls_is_asked_for(database: str):
    error = refused(database + "?sslmode=require")
    assert isinstance(error, StoreDenied)
    assert "sslmode" in error.hint


def test_a_server_that_is_away_is_said_at_once():
    error = refused(f"postgresql://perdure@127.0.0.1:{free_port()}/perdure")
    assert isinstance(error, StoreAway)
    assert isinstance(error, Busy), "the same call may succeed later"


def test_a_database_that_only_reads_can_be_read(database: str):
    with PostgresStore(database) as store:
        opened_run(store).append()
    with psycopg.connect(database, autocommit=True) as db:
        name = database.rpartition("/")[2]
        db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    with PostgresStore(database, setup=Setup(away_seconds=0.1)) as store:
        assert len(store.read("march")) == 1
        for deed in (
            lambda: store.create(NewRun("april", "april", "acme", 1)),
            lambda: store.acquire("march", holder("w2"), take_over=True),
            lambda: store.post("march", post("p")),
        ):
            with pytest.raises(StoreReadOnly) as caught:
                deed()
            assert "primary" in caught.value.hint


def test_a_write_to_a_database_that_only_reads_is_refused(database: str):
    with PostgresStore(database, setup=Setup(away_seconds=0.1)) as store:
        writer = opened_run(store)
        with psycopg.connect(database, autocommit=True) as db:
            name = database.rpartition("/")[2]
            db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        with pytest.raises(StoreReadOnly):
            writer.append()


def test_an_error_says_where_without_the_password():
    error = refused("postgresql://ann:secret@127.0.0.1:1/perdure")
    assert "secret" not in f"{error}{error.hint}"
    assert "127.0.0.1" in str(error)


@pytest.fixture
def locked(database: str) -> Iterator[psycopg.Connection]:
    """A connection that holds the row of the run."""
    with psycopg.connect(database) as db:
        yield db


def test_a_row_that_somebody_holds_for_too_long_is_busy_and_nothing_is_half_done(
    database: str, locked: psycopg.Connection
):
    with PostgresStore(database, setup=Setup(lock_seconds=0.1, away_seconds=0.3)) as store:
        writer = opened_run(store)
        locked.execute("SELECT 1 FROM perdure.runs FOR UPDATE")
        with pytest.raises(Busy):
            writer.append()
        with pytest.raises(Busy):
            store.acquire("march", holder("w2"), take_over=True)
        locked.rollback()
        assert writer.append() == Appended(1)
        assert len(store.read("march")) == 1


def test_a_statement_that_takes_too_long_is_busy_and_is_tried_again(
    database: str, locked: psycopg.Connection
):
    with PostgresStore(database, setup=Setup(statement_seconds=0.2, lock_seconds=30)) as store:
        writer = opened_run(store)
        locked.execute("SELECT 1 FROM perdure.runs FOR UPDATE")
        threading.Timer(0.7, locked.rollback).start()
        assert writer.append() == Appended(1)


def test_text_that_the_server_can_not_hold_harms_no_other_batch(store: PostgresStore):
    runs = [opened_run(store, f"run-{number}") for number in range(6)]
    answers = [
        store.append(run.batch(status="a\0b" if number == 3 else "running"))
        for number, run in enumerate(runs)
    ]
    for number, answer in enumerate(answers):
        if number == 3:
            assert isinstance(answer.exception(SECONDS), BadInput)
        else:
            assert answer.result(SECONDS) == Appended(1)


def test_a_store_that_was_closed_says_so(database: str):
    store = PostgresStore(database)
    writer = opened_run(store)
    store.close()
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        writer.append()
    with pytest.raises(StoreFailed, match="closed"):
        store.rows()


def test_a_store_without_its_tables_is_damaged_and_says_so(database: str):
    with PostgresStore(database) as store, psycopg.connect(database, autocommit=True) as db:
        db.execute("DROP TABLE perdure.inbox")
        opened_run(store)
        with pytest.raises(PerdureError, match="inbox"):
            store.post("march", post("p"))


def test_a_migration_needs_a_server_that_writes(empty: str):
    with psycopg.connect(empty, autocommit=True) as db:
        name = empty.rpartition("/")[2]
        db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    from perdure.adapters.postgres.link.connecting import Dialer

    with pytest.raises(StoreReadOnly):
        migrate(Dialer(empty, Setup()))
