"""Commands typed inside the test's own process: milliseconds, for all that needs no process of its own."""

import io
from pathlib import Path

import pytest

from perdure.cli import main
from perdure.cli.ending import ended
from tests.cli.terminal import Said, world_in


class Inside:
    """A terminal without processes."""

    def __init__(
        self, directory: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Type in ``directory``."""
        self.directory: Path = directory
        self._capfd: pytest.CaptureFixture[str] = capfd
        self._patch: pytest.MonkeyPatch = monkeypatch
        for name in ("PERDURE_STORE", "PERDURE_TRACE", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        # What the user of this machine has wrapped is none of these tests' business.
        monkeypatch.setenv("XDG_STATE_HOME", str(directory / ".elsewhere"))

    def type(self, *words: str, given: str = "") -> Said:
        """Type ``perdure`` and ``words``, and ``given`` where something is asked."""
        self._patch.chdir(self.directory)
        self._patch.setattr("sys.stdin", io.StringIO(given))
        self._capfd.readouterr()
        code = ended(
            lambda: main.main(list(words), prog_name="perdure", standalone_mode=False),
            as_json="--json" in words,
        )
        printed = self._capfd.readouterr()
        return Said(code, printed.out, printed.err)

    @property
    def world(self) -> list[str]:
        """What has happened in the world."""
        return world_in(self.directory)
