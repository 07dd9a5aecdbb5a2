"""A gateway as a process of its own, as a person starts it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS = 60


class Running:
    """``perdure gateway`` at a free port, its first line read."""

    def __init__(self, store: Path | str, upstream: str, *words: str) -> None:
        self.store = store
        command = [sys.executable, "-m", "perdure.cli", "gateway", "--port", "0", "--store", str(store)]
        self.process = subprocess.Popen(
            [*command, "--upstream", upstream, "--json", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.said = json.loads(line or b"{}")
        if "port" not in self.said:
            _, complaint = self.process.communicate(timeout=SECONDS)
            raise AssertionError(complaint.decode())
        self.port: int = self.said["port"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> int:
        """Bytes that the process has in memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """It is gone, in the middle of whatever it did."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def end(self) -> int:
        """Let it end in order, and return its exit code."""
        self.process.terminate()
        return self.process.wait(SECONDS)


def told(*words: str, store: Path) -> dict[str, object]:
    """Return what a command says as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "perdure.cli", *words, "--store", str(store), "--json"],
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
