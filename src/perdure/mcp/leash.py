"""A program of its own: runs a server, and ends it with all that it started when perdure ends.

``python -I -S leash.py FD COMMAND...`` begins COMMAND with the same standard streams and reads FD, the end of a
pipe that only perdure holds. It sees end of file there when perdure has ended, however that came about, and
when the server is to be closed. Then the server is asked to end (its input is gone, and SIGTERM), and after a
moment all that it started is killed, wherever it went: this program adopts what its parents leave behind.
If this program itself is killed, the kernel kills the server.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 2.0
_ROUNDS_MAX = 250
"""Of killing, 20 ms each: what the kernel doesn't let go of by then (another user's process) stays."""
_DEATH_SIGNAL = 1
_ADOPTS = 36


def _told_the_kernel(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _below(parent: int) -> list[int]:
    """Return all processes that descend from ``parent``, nearest first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text()
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [parent]
    while waiting:
        children = parents.get(waiting.pop(0), [])
        found += children
        waiting += children
    return found


def _killed_all(first: int) -> None:
    """Nothing that descends from this process lives on."""
    with contextlib.suppress(OSError):
        os.killpg(first, signal.SIGKILL)
    for _ in range(_ROUNDS_MAX):
        left = _below(os.getpid())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        select.select([], [], [], 0.02)


def _ended(first: int, pid_end: int, seconds: float) -> bool:
    """Tell whether process ``first`` ends within ``seconds``."""
    with contextlib.suppress(OSError):
        os.killpg(first, signal.SIGTERM)
    return bool(select.select([pid_end], [], [], seconds)[0])


def main() -> int:
    """Run the command, and return its exit code."""
    held = int(sys.argv[1])
    os.set_inheritable(held, False)  # noqa: FBT003 - the standard library's own form
    _told_the_kernel(_ADOPTS, 1)
    # The write end stays here alone: that it closes tells that the server itself has ended, whatever it left.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    woken, wakes = os.pipe()
    signal.signal(signal.SIGCHLD, _woken)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    try:
        server = subprocess.Popen(  # noqa: S603 - the command is the user's
            sys.argv[2:],
            start_new_session=True,
            preexec_fn=partial(_born, os.getpid()),  # noqa: PLW1509 - this program has one thread
        )
    except OSError as error:
        sys.stderr.write(f"{sys.argv[2]}: {error.strerror}\n")
        return 127
    # Only the server holds its streams: their ends tell perdure of its death.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    while server.poll() is None:
        ready, _, _ = select.select([held, woken], [], [])
        if held in ready:
            break
        os.read(woken, 512)
    if server.poll() is None and not _ended(server.pid, woken, GRACE_SECONDS):
        server.kill()
    _killed_all(server.pid)
    code = server.poll()
    return 0 if code is None else code if code >= 0 else 128 - code


def _woken(number: int, frame: FrameType | None) -> None:
    """A child has ended: the pipe tells."""
    del number, frame


def _born(parent: int) -> None:
    """The kernel kills this process when ``parent`` dies; where that was before it was told, it ends itself."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    _told_the_kernel(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
