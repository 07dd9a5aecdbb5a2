"""One PostgreSQL for this folder, one database that two workers serve for those who kill nobody, and others for the rest."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure
from perdure.assembly.store import Store
from tests.cli.inside import Inside
from tests.servers.postgres import UNSYNCED, Server
from tests.worker.kit import Deeds, Living, workers


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("postgres") / "workers", UNSYNCED) as running:
        yield running


@pytest.fixture
def dsn(server: Server) -> str:
    return server.database(f"w{uuid.uuid4().hex[:8]}")


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    with perdure.open(dsn) as opened:
        yield opened


@pytest.fixture
def terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Commands in this process: they take milliseconds."""
    return Inside(tmp_path, capfd, monkeypatch)


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path / "deeds.txt")


@pytest.fixture(scope="session")
def calm_deeds(tmp_path_factory: pytest.TempPathFactory) -> Deeds:
    return Deeds(tmp_path_factory.mktemp("calm") / "deeds.txt")


@pytest.fixture(scope="session")
def calm_dsn(server: Server) -> str:
    return server.database("calm")


@pytest.fixture(scope="session")
def calm_workers(calm_dsn: str, calm_deeds: Deeds) -> Iterator[list[Living]]:
    with workers(2, calm_dsn, calm_deeds.path, "--listen", "127.0.0.1:0") as serving:
        yield serving


@pytest.fixture(scope="session")
def calm(calm_dsn: str, calm_workers: list[Living]) -> Iterator[Store]:
    """A store that two workers serve, which nobody kills."""
    assert calm_workers
    with perdure.open(calm_dsn) as opened:
        yield opened
