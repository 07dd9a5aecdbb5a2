"""A store with one run that is being written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.sqlite.store import SqliteStore
from tests.conformance.stores import Writer, opened_run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    with SqliteStore(place) as opened:
        yield opened


@pytest.fixture
def writer(store: SqliteStore) -> Writer:
    return opened_run(store)
