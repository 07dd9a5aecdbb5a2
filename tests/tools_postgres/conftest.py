"""One PostgreSQL for this folder: a database of the user's, and one that also holds a store's tables."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from perdure.adapters.tools.postgres.database import PostgresDatabase
from tests.servers.postgres import UNSYNCED, Server

EMPTIED = "TRUNCATE paid, acts; DROP SCHEMA IF EXISTS perdure_tools CASCADE"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("postgres") / "tools", UNSYNCED) as running:
        yield running


@pytest.fixture(scope="session")
def tables(server: Server) -> str:
    made = server.database("books")
    with psycopg.connect(made) as db:
        db.execute("CREATE TABLE paid (invoice text PRIMARY KEY)")
        db.execute("CREATE TABLE acts (act text)")
    return made


@pytest.fixture
def dsn(tables: str) -> str:
    """The user's database, in which nothing was done."""
    with psycopg.connect(tables) as db:
        db.execute(EMPTIED)
    return tables


@pytest.fixture
def books(dsn: str) -> PostgresDatabase:
    return PostgresDatabase(dsn)


@pytest.fixture(scope="session")
def shared(server: Server) -> str:
    """A database in which a store's tables are beside the user's."""
    made = server.database("shared")
    with psycopg.connect(made) as db:
        db.execute("CREATE TABLE paid (invoice text PRIMARY KEY)")
        db.execute("CREATE SCHEMA perdure")
        db.execute("CREATE TABLE perdure.events (frame bytea)")
        db.execute("CREATE ROLE tools LOGIN")
        db.execute("CREATE ROLE clerk")
        db.execute("GRANT clerk TO tools")
        db.execute("GRANT SELECT, INSERT ON paid TO clerk")
        db.execute("CREATE SCHEMA perdure_tools AUTHORIZATION tools")
    return made


def paid(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as db:
        return [str(name) for (name,) in db.execute("SELECT invoice FROM paid ORDER BY invoice").fetchall()]


HELD = Path(__file__).with_name("held.sql").read_bytes()
"""Commits of ``paid`` wait, in mid-commit, until advisory lock 77 is free."""
