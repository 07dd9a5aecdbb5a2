"""A client in the foreground of the user's terminal, as if the shell had started it.

Invariants:
- Nothing stands between the client and the terminal: it has the same descriptors, and the same process group, so that
  Ctrl-C, Ctrl-Z and a change of size reach it from the kernel.
- What the terminal sends to the group ends the client or not, as the client likes; it never ends the wrapper before it.
- Where the client stops, the wrapper stops as well, or the shell would wait for ever; where one goes on, so does the other.
- The terminal is left as it was found where the client was killed and couldn't put it in order itself.
"""

import errno
import os
import select
import shutil
import signal
import sys
import termios
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple, Self

from perdure.values.errors import ClientMissing
from perdure.wrap import leash

_LEFT_TO_THE_CLIENT: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
_HANDED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
_PASSED_DOWN: Final = (signal.SIGUSR1, signal.SIGUSR2)
_MUTED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)

_SAID: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
"""An end by one of these is handed on as it is, so that a shell's loop stops with it."""


class Ended(NamedTuple):
    """How a client ended."""

    code: int
    """its exit code, or 128 and the signal's number"""
    signal: int = 0

    def hand_on(self) -> int:
        """End as the client did where it was ended by a signal that shells look at; else return its code."""
        if self.signal in _SAID:
            signal.signal(self.signal, signal.SIG_DFL)
            os.kill(os.getpid(), self.signal)
        return self.code


def program_of(name: str, environment: Mapping[str, str]) -> str:
    """Return the path of the program ``name``. Raises ``ClientMissing``."""
    found = shutil.which(name, path=environment.get("PATH"))
    if found is None:
        there = "/" in name and Path(name).exists()
        raise ClientMissing(f"{name}: {'it is no program' if there else 'no such program'}")
    return found


class Foreground:
    """One client, started; the calling process is its parent and has no threads."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        enter: Callable[[], None] = lambda: None,
    ) -> None:
        """Start ``words`` with ``environment``; the child calls ``enter`` first. Raises ``ClientMissing``."""
        program = program_of(words[0], environment)
        self._modes: _Modes = _Modes()
        self.pid: int = _forked(program, words, environment, enter)
        self.ended: Ended | None = None

    def hand(self, number: int) -> None:
        """The client gets the signal, if it still lives."""
        if self.ended is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def look(self) -> Ended | None:
        """Return how it ended, or None; where it has stopped, return when both go on."""
        was_stopped = False
        while self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                if was_stopped:
                    self.hand(signal.SIGCONT)  # only this process was told to go on
                break
            was_stopped = os.WIFSTOPPED(status)
            if was_stopped:
                _stopped(os.WSTOPSIG(status))
            elif not os.WIFCONTINUED(status):
                self._end(status)
        return self.ended

    def _end(self, status: int) -> None:
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.ended = Ended(128 + killed if killed else os.WEXITSTATUS(status), killed)
        if killed:
            self._modes.put_back()


def _stopped(number: int) -> None:
    """This process stops as its client did; return when it goes on."""
    if number == signal.SIGSTOP:
        os.kill(os.getpid(), number)
        return
    before = signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, before)


class _Modes:
    """How the terminal was set, to put that back."""

    def __init__(self) -> None:
        self._terminal: int = next((each for each in (0, 1, 2) if os.isatty(each)), -1)
        self._kept: list[int | list[bytes | int]] = []
        if self._terminal >= 0:
            with suppress(termios.error, OSError):
                self._kept = termios.tcgetattr(self._terminal)

    def put_back(self) -> None:
        if not self._kept:
            return
        with suppress(termios.error, OSError), _unhindered():
            if os.tcgetpgrp(self._terminal) == os.getpgrp():
                termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._kept)


@contextmanager
def _unhindered() -> Generator[None]:
    """A process in the background isn't stopped for setting its terminal."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTTOU, before)


def _forked(
    program: str, words: Sequence[str], environment: Mapping[str, str], enter: Callable[[], None]
) -> int:
    tie, parent = leash.death_tie(), os.getpid()

    def prepare() -> None:
        enter()
        tie(parent)  # last: what changes a process's rights lets go of the tie

    told, tells = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _became(program, words, environment, tells, prepare)
    os.close(tells)
    with os.fdopen(told, "rb") as file:
        complaint = file.read(4)
    if complaint:
        os.waitpid(pid, 0)
        why = os.strerror(int.from_bytes(complaint, "big"))
        raise ClientMissing(f"{program}: {why}")
    return pid


def _became(
    program: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    tells: int,
    prepare: Callable[[], None],
) -> None:
    """Become the client, or say why that can't be, and end: this is the child, and nothing else may go on in it."""
    try:
        for each in _MUTED_BY_PYTHON:
            signal.signal(each, signal.SIG_DFL)
        prepare()
        os.execve(program, list(words), dict(environment))
    except OSError as error:
        os.write(tells, (error.errno or errno.EIO).to_bytes(4, "big"))
    finally:
        os._exit(127)


class Signals:
    """What this process does with signals while a client lives in its foreground; ends with the block."""

    def __init__(self) -> None:
        """Nothing is set yet."""
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._heard: list[int] = []
        self._wakes, self._waker = os.pipe()
        for each in (self._wakes, self._waker):
            os.set_blocking(each, False)
        self._woken: int = -1

    def __enter__(self) -> Self:
        """Signals are as they have to be; what is ignored already stays so, also for the client."""
        self._woken = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for each in (*_LEFT_TO_THE_CLIENT, *_HANDED_ON, *_PASSED_DOWN, signal.SIGCHLD):
            if signal.getsignal(each) != signal.SIG_IGN or each == signal.SIGCHLD:
                self._before[each] = signal.signal(each, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        """Signals are as they were."""
        for each, before in self._before.items():
            signal.signal(each, before)
        signal.set_wakeup_fd(self._woken)
        os.close(self._wakes)
        os.close(self._waker)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._heard.append(number)

    def await_any(self, descriptors: Sequence[int], seconds: float | None) -> list[int]:
        """Return those of ``descriptors`` that can be read, once there is one, a signal came, or time is up."""
        ready, _, _ = select.select([self._wakes, *descriptors], [], [], seconds)
        if self._wakes in ready:
            with suppress(BlockingIOError):
                os.read(self._wakes, 4096)
        return [each for each in ready if each != self._wakes]

    def handed_on(self) -> list[int]:
        """Return the signals that the client has to be given, oldest first; the terminal gave it the others."""
        heard, self._heard = self._heard, []
        return [each for each in heard if each in _HANDED_ON or each in _PASSED_DOWN]
