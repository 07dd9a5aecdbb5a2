"""One server for stores that are copied; failovers bring their own."""

from pathlib import Path

import pytest

from tests.cli.inside import Inside
from tests.servers import shared
from tests.servers.postgres import Server


@pytest.fixture(scope="session")
def server() -> Server:
    if not shared.is_here():
        pytest.skip(shared.MISSING)
    return shared.server()


@pytest.fixture
def dsn(server: Server, tmp_path: Path) -> str:
    """A store with nothing in it."""
    assert server.running
    return shared.database_of(tmp_path)


@pytest.fixture
def inside(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A quick terminal in an empty directory."""
    return Inside(tmp_path, capfd, monkeypatch)
