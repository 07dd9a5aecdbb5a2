"""A fresh terminal for each test, and one with a finished run that many tests read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in an empty directory."""
    made = Terminal(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal beside a store with a finished run ``march`` and one in doubt, ``lost``; for reading."""
    terminal = Terminal(tmp_path_factory.mktemp("library"))
    first = terminal.type(
        "run", f"{CLERKS}:agent", "Pay the March invoices", "--run", "march", "--store", "./state"
    )
    assert first.code == 0, first.err
    second = terminal.type("run", f"{CLERKS}:doubtful", "Pay it", "--run", "lost")
    assert second.code == 3, second.err
    return terminal


@pytest.fixture
def reader(library: Terminal, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A quick terminal in the library; leave it as it is."""
    return Inside(library.directory, capfd, monkeypatch)


@pytest.fixture
def inside(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A quick terminal in an empty directory."""
    return Inside(tmp_path, capfd, monkeypatch)
