"""A terminal for tests: ``perdure`` as a process, with what it said."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

BIN = Path(sys.executable).parent / "perdure"
AGENTS = Path(__file__).parent / "agents"
CLERKS = AGENTS / "clerks.py"
LIMIT_SECONDS = 60


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document on one line."""
        assert self.out.count("\n") == 1, self.out
        return msgspec.json.decode(self.out)


class Terminal:
    """A working directory in which commands are typed."""

    def __init__(self, directory: Path) -> None:
        """Work in ``directory``."""
        self.directory: Path = directory
        self._ready: int = -1
        self._go: int = -1
        self._started: list[subprocess.Popen[str]] = []
        known = {
            name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "NO_COLOR"))
        }
        # What its user has wrapped elsewhere is none of these tests' business.
        self.env: dict[str, str] = {**known, "XDG_STATE_HOME": str(directory / ".elsewhere")}

    def type(self, *words: str, given: str = "", **env: str) -> Said:
        """Type ``perdure`` and ``words``, and wait for the end."""
        process = self.start(*words, **env)
        out, err = process.communicate(given, timeout=LIMIT_SECONDS)
        return Said(process.returncode, out, err)

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        """Type a command and don't wait."""
        process = subprocess.Popen(
            [str(BIN), *words],
            cwd=self.directory,
            env={**self.env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def put_gate(self) -> None:
        """From here on a slow tool waits until ``open_gate``."""
        os.mkfifo(self.directory / "ready")
        os.mkfifo(self.directory / "go")
        # Both ends stay open here, so that a tool that is killed, or comes late, closes nothing.
        self._ready = os.open(self.directory / "ready", os.O_RDWR | os.O_NONBLOCK)
        self._go = os.open(self.directory / "go", os.O_RDWR)

    def await_tool(self, *drivers: "subprocess.Popen[str]") -> None:
        """Return when a slow tool of one of ``drivers`` is under way."""
        ended = {os.pidfd_open(driver.pid): driver for driver in drivers}
        heard, _, _ = select.select([self._ready, *ended], [], [], LIMIT_SECONDS)
        for descriptor in ended:
            os.close(descriptor)
        if self._ready not in heard and len(drivers) == 1:
            raise AssertionError(f"no tool came to the gate: {drivers[0].communicate(timeout=LIMIT_SECONDS)}")
        while self._ready not in heard:
            heard, _, _ = select.select([self._ready], [], [], LIMIT_SECONDS)
        assert os.read(self._ready, 16) == b"here"

    def open_gate(self, tools: int = 1) -> None:
        """Let so many slow tools go on."""
        os.write(self._go, b"on" * tools)

    def close(self) -> None:
        """Take the gate down, and end what still runs."""
        for process in self._started:
            if process.poll() is None:
                kill(process)
        for descriptor in (self._ready, self._go):
            if descriptor >= 0:
                os.close(descriptor)

    @property
    def world(self) -> list[str]:
        """What has happened in the world."""
        return world_in(self.directory)


def world_in(directory: Path) -> list[str]:
    """Return what agents that ran in ``directory`` did to the world."""
    path = directory / "world.txt"
    return path.read_text().splitlines() if path.exists() else []


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill -9, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LIMIT_SECONDS)
