"""One PostgreSQL for this folder, and a database of its own for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import Base, bases_of
from tests.servers.postgres import UNSYNCED, Server
from tests.worker.kit import Deeds

AGENTS = "tests.fleet.agents"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("postgres") / "fleet", UNSYNCED) as running:
        yield running


@pytest.fixture
def dsn(server: Server) -> str:
    return server.database(f"f{uuid.uuid4().hex[:8]}")


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    with perdure.open(dsn) as opened:
        yield opened


@pytest.fixture
def base(dsn: str, store: Store) -> Iterator[Base]:
    (found,) = bases_of(dsn)
    yield found
    found.close()


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path / "deeds.txt")
