"""A server ends with the process that started it, also where that is killed: no machine fills with servers of tests."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

_LAST_WILL: Final = """
read -r _
kill -QUIT "$1" 2>/dev/null
naps=0
while kill -0 "$1" 2>/dev/null && [ "$naps" -lt 50 ]; do sleep 0.1; naps=$((naps + 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf "$2"
"""


class Guard:
    """A small process that reads from a pipe of ours: when the pipe ends, and we with it, the server is ended."""

    def __init__(self, server: int, leavings: Path | None = None) -> None:
        """Watch over the process ``server``, which leaves ``leavings`` behind."""
        self._process = subprocess.Popen(
            ["sh", "-c", _LAST_WILL, "guard", str(server), str(leavings or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def end(self) -> None:
        """The server's number is free for others: call it before the server is waited for."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


GONE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.01


def kill_whole(server: "subprocess.Popen[bytes]") -> None:
    """The server and all that it started are killed, and whatever it started has ended.

    Each process of PostgreSQL leads a group of its own. The first one is stopped before the others are looked for,
    so that it starts no more, and killed after them, so that none hears of its death and ends in order.
    """
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        first = psutil.Process(server.pid)
        server.send_signal(signal.SIGSTOP)
        _until(lambda: first.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE))
        started = first.children(recursive=True)
        for each in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        server.kill()
        _until(lambda: all(map(_has_ended, started)))


def _has_ended(process: psutil.Process) -> bool:
    try:
        # Whoever should take note of its end may not.
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + GONE_SECONDS
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("a process of the server did not end")
        time.sleep(LOOK_SECONDS)
