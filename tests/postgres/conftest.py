"""Databases of the shared server: a store for each test, and empty ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.postgres.store import PostgresStore
from tests.servers.shared import MISSING, database_of, empty_database, is_here


@pytest.fixture(autouse=True)
def _server() -> None:
    if not is_here():
        pytest.skip(MISSING)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return the address of a store with nothing in it."""
    return database_of(tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """Return the address of a database that holds no store."""
    return empty_database(tmp_path)


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    with PostgresStore(database) as opened:
        yield opened
