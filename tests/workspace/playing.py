"""A task performed in a directory, to its end or into a death in the middle of a turn.

Invariants:
- Everything that a play starts carries its token in its environment, and only such processes are killed.
- A death is SIGKILL: to the command at its ``# half`` line (which says so through a FIFO and waits), and to all
  services. A coding tool dies with half of its content written.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, assert_never

from tests.workspace.corpus.task import HALF, PRELUDE, Edit, Read, Serve, Shell, Stop, Task, Turn, Write
from tests.workspace.likeness import Portrait, portrait
from tests.workspace.vandal import vandalise

PATIENCE_S: Final = 60.0
TOKEN: Final = "PERDURE_CORPUS_PLAY"


class TurnFailed(Exception):
    """A turn met something that it can't work with; in an unharmed play the task itself is wrong."""


class Ending(NamedTuple):
    """What is compared: the tree, and what was answered to each question."""

    tree: Portrait
    answers: tuple[str, ...]


class Play:
    """One performance of ``task`` in ``place/work``; a second one in the same place begins from nothing."""

    def __init__(self, task: Task, place: Path, port: int) -> None:
        """Make the initial tree."""
        self.task: Task = task
        self.root: Path = place / "work"
        self.place: Path = place
        self.port: int = port
        self.token: str = f"{os.getpid()}-{place.name}"
        self.services: dict[str, Serve] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        remove(self.root)
        self.root.mkdir(parents=True)
        for name, content in task.files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(0o755 if content.startswith("#!") else 0o644)
        self.run(task.setup)

    def run(self, command: str) -> str:
        """Run ``command`` to its end; return what it said. Raises ``TurnFailed``."""
        with self._out("said") as said:
            started = self._start(command, said)
            try:
                code = started.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                code = "no end"
        text = (self.place / "said").read_text("utf-8", "backslashreplace")
        if code != 0:
            raise TurnFailed(f"{command!r} ended with {code}: {text[-400:]}")
        return text

    def perform(self, turn: Turn) -> None:
        """Carry out a turn."""
        match turn:
            case Shell(command):
                self.run(command)
            case Write(path, content):
                self._write(path, content.encode())
            case Edit(path, old, new):
                self._write(path, self._edited(path, old, new))
            case Read(path):
                self._read(path)
            case Serve(name, command):
                self.services[name] = turn
                self._serve(command)
            case Stop(name):
                del self.services[name]
                self.kill()
                self.serve_again()
            case _:
                assert_never(turn)

    def die_in(self, turn: Turn, *, seed: str | None) -> None:
        """Begin a turn and be killed in it, services included; then damage the tree, if there is a seed."""
        match turn:
            case Shell(command):
                self._die_at_half(command)
            case Write(path, content):
                self._write(path, content.encode()[: len(content) // 2])
            case Edit(path, old, new):
                edited = self._edited(path, old, new)
                self._write(path, edited[: len(edited) // 2])
            case Read(path):
                self._read(path)
            case Serve(_, command):
                self._serve(command)
            case Stop():
                pass
            case _:
                assert_never(turn)
        self.kill()
        if seed is not None:
            vandalise(self.root, seed)

    def serve_again(self) -> None:
        """Start the services anew that were running: what is done where there are no process images."""
        for service in self.services.values():
            self._serve(service.command)

    def end(self) -> Ending:
        """Ask the questions, look at the tree, and end everything."""
        try:
            answers = tuple(self.run(question) for question in self.task.questions)
            return Ending(portrait(self.root), answers)
        finally:
            self.kill()

    def mapped(self) -> frozenset[str]:
        """Return the files of the tree that living services have mapped shared and may write to."""
        found: set[str] = set()
        for process in self._living():
            try:
                lines = Path(f"/proc/{process}/maps").read_text().splitlines()
            except OSError:
                continue
            shared = (line.split(maxsplit=5) for line in lines if " rw-s " in line)
            found |= {each[5].removeprefix(f"{self.root}/") for each in shared if len(each) > 5}
        return frozenset(found)

    def kill(self) -> None:
        """Kill everything that this play started, and wait until it is gone."""
        until, quiet = time.monotonic() + PATIENCE_S, 0
        while quiet < 2:  # a process that is just being replaced by exec shows no environment
            living = {*self._living(), *(each.pid for each in self._started if each.poll() is None)}
            quiet = 0 if living else quiet + 1
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > until:
                raise TurnFailed(f"processes {living} can't be killed")
            time.sleep(0.002)
        self._started.clear()

    def _die_at_half(self, command: str) -> None:
        gate = self.place / "gate"
        gate.unlink(missing_ok=True)
        os.mkfifo(gate)
        stop = f"echo half >'{gate}'; sleep {int(PATIENCE_S)}"
        lines = command.split("\n")
        lines[lines.index(HALF) if HALF in lines else len(lines) :] = [stop]
        heard = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
        with self._out("half") as said:
            started = self._start("\n".join(lines), said)
            ended = os.pidfd_open(started.pid)
            ready, _, _ = select.select([heard, ended], [], [], PATIENCE_S)
            os.close(ended)
            reached = heard in ready and os.read(heard, 5) == b"half\n"
            os.close(heard)
        if not reached:
            text = (self.place / "half").read_text("utf-8", "backslashreplace")
            self.kill()
            raise TurnFailed(f"{command!r} died before its half: {text[-400:]}")

    def _start(self, command: str, said: int) -> "subprocess.Popen[bytes]":
        started = subprocess.Popen(
            ["/bin/sh", "-c", PRELUDE + command.replace("{port}", str(self.port))],
            cwd=self.root,
            env={TOKEN: self.token, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._started.append(started)
        return started

    def _serve(self, command: str) -> None:
        with self._out("service") as said:
            self._start(command, said)

    def _out(self, name: str) -> "_Out":
        return _Out(self.place / name)

    def _read(self, path: str) -> None:
        try:
            (self.root / path).read_bytes()
        except OSError as error:
            raise TurnFailed(f"{path} can't be read: {error}") from error

    def _edited(self, path: str, old: str, new: str) -> bytes:
        self._read(path)
        before = (self.root / path).read_bytes()
        if before.count(old.encode()) != 1:
            raise TurnFailed(f"{path} holds {old!r} {before.count(old.encode())} times")
        return before.replace(old.encode(), new.encode())

    def _write(self, path: str, content: bytes) -> None:
        try:
            (self.root / path).write_bytes(content)
        except OSError as error:
            raise TurnFailed(f"{path} can't be written: {error}") from error

    def _living(self) -> Iterator[int]:
        mark = f"{TOKEN}={self.token}\0".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes():
                        yield int(entry.name)
                except OSError:
                    continue


class _Out:
    """A file that takes what is said; a pipe would be held open by whatever stays in the background."""

    def __init__(self, path: Path) -> None:
        self._path: Path = path
        self._open: int = -1

    def __enter__(self) -> int:
        self._open = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        return self._open

    def __exit__(self, *_: object) -> None:
        os.close(self._open)


def remove(root: Path) -> None:
    """Remove a tree whatever its modes are."""
    if root.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(root)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(os.fsencode(root))
