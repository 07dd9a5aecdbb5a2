"""A desk at which ``perdure wrap`` is typed: a directory to work in, a store, a client, and terminals."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from perdure.assembly.store import open_store
from perdure.log.envelope import Event

HERE = Path(__file__).parent
PERDURE = [sys.executable, "-m", "perdure.cli"]
SECONDS = 60
Json = dict[str, Any]
T = TypeVar("T")


class Desk:
    """One user's machine, as far as a wrap sees it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.work = directory / "work"
        self.store = directory / "store"
        self.programs = directory / "bin"
        for each in (self.home, self.work, self.programs):
            each.mkdir()
        small = self.programs / "small"
        small.write_text(f"#!{sys.executable}\n{(HERE / 'small.py').read_text()}")
        small.chmod(0o755)
        self.profile = HERE / "small.toml"
        known = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
        self.env = {**known, "HOME": str(self.home), "PATH": f"{self.programs}:{known['PATH']}"}
        self.env.pop("ANTHROPIC_BASE_URL", None)
        self.perdure: list[str] = PERDURE
        self._started: list[Wrapped] = []

    def words(self, *words: str, run: str, options: tuple[str, ...] = ()) -> list[str]:
        """Return the command that wraps the small client."""
        named = ("--run", run) if "--resume" not in options else ()
        own = ("--profile", str(self.profile), "--store", str(self.store), *named, *options)
        return [*self.perdure, "wrap", *own, "--", *words]

    def wrap(self, *words: str, run: str, options: tuple[str, ...] = (), **env: str) -> "Wrapped":
        """Wrap the small client, its streams being pipes."""
        made = Wrapped(self, self.words(*words, run=run, options=options), env)
        self._started.append(made)
        return made

    def type(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type a command of perdure and wait for its end."""
        return subprocess.run(
            [*self.perdure, *words],
            cwd=self.work,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def events(self, run: str) -> list[Event]:
        with open_store(self.store, create=False) as store:
            return list(store.events(run))

    def close(self) -> None:
        for each in self._started:
            each.close()


class Wrapped:
    """A wrapper at work, with pipes for streams."""

    def __init__(self, desk: Desk, command: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=desk.work,
            env={**desk.env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pid = self.process.pid

    def hears(self) -> Json:
        """Return the next line that the client says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(self.process.stderr.read().decode())
        return json.loads(line)

    def says(self, line: str) -> None:
        """Say a line to the client."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ends(self) -> tuple[int, str]:
        """Return its exit code and what it said on standard error; nothing more is said to the client."""
        _, complaint = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, complaint.decode()

    def keeper(self) -> psutil.Process:
        """Return the keeper, once there is one."""
        return awaited(lambda: keeper_of(self.pid))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for each in (self.process.stdin, self.process.stdout, self.process.stderr):
            if each is not None and not each.closed:
                each.close()
        self.process.wait(SECONDS)


def keeper_of(pid: int) -> psutil.Process | None:
    for child in psutil.Process(pid).children():
        # One that ended since it was listed is nobody's keeper.
        with suppress(psutil.Error):
            if "perdure.wrap.keeper" in child.cmdline():
                return child
    return None


def awaited(look: Callable[[], T | None]) -> T:
    """Return what ``look`` finds, once it finds something."""
    latest = time.monotonic() + SECONDS
    while time.monotonic() < latest:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{look} found nothing within {SECONDS} s")


def gone(*processes: psutil.Process) -> None:
    """Return when none of them is left."""
    _, alive = psutil.wait_procs(list(processes), timeout=SECONDS)
    left = [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert not left, left


class Screen:
    """A pseudo-terminal with a program in it, as its controlling terminal."""

    def __init__(self, desk: Desk, command: list[str], *, rows: int = 30, columns: int = 100) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(desk.work)
                os.execvpe(command[0], command, {**desk.env, "PS1": "$ ", "ENV": "", "TERM": "dumb"})
            finally:
                os._exit(127)
        self.shown = b""
        self._seen = 0
        self.resize(rows, columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._end)

    def resize(self, rows: int, columns: int) -> None:
        """Its window has another size."""
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._end, keys)

    def modes(self) -> int:
        """Return the local modes: whether it echoes, reads whole lines, makes signals of keys."""
        return int(termios.tcgetattr(self._end)[3])

    def await_text(self, text: str) -> str:
        """Return what was shown since the last time, up to ``text``."""
        latest = time.monotonic() + SECONDS
        wanted = text.encode()
        while (found := self.shown.find(wanted, self._seen)) < 0:
            ready, _, _ = select.select([self._end], [], [], max(0.0, latest - time.monotonic()))
            assert ready, f"{text!r} was never shown: {self.shown[self._seen :].decode()!r}"
            try:
                piece = os.read(self._end, 65536)
            except OSError:
                piece = b""
            assert piece, f"it ended without {text!r}: {self.shown[self._seen :].decode()!r}"
            self.shown += piece
        before, self._seen = self._seen, found + len(wanted)
        return self.shown[before : self._seen].decode()

    def await_line(self, key: str) -> Json:
        """Return the next line of JSON in which there is ``key``."""
        self.await_text(f'{{"{key}": ')
        start = self._seen - len(f'{{"{key}": ')
        self.await_text("\n")
        return json.loads(self.shown[start : self._seen])

    def ends(self) -> int:
        """Return how the program ended: its exit code, or the signal below zero."""
        latest = time.monotonic() + SECONDS
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < latest, self.shown[self._seen :].decode()
            self._drained()

    def _drained(self) -> None:
        ready, _, _ = select.select([self._end], [], [], 0.02)
        if ready:
            try:
                self.shown += os.read(self._end, 65536)
            except OSError:
                time.sleep(0.02)
