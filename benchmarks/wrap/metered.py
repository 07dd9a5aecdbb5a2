"""``python -m benchmarks.wrap.metered RESULT COMMAND...``: run a command, and measure it with all that it left behind.

Whoever outlives its parent becomes this process's child, so the time of a keeper or a server counts as well, and
one that never ends is told as an orphan.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 1.0
LEFT_SECONDS_MAX = 15
"""What a client left behind has this long to see that it is gone."""


class Metered(msgspec.Struct, frozen=True):
    """How a command went."""

    status: int
    seconds: float
    """until it ended itself"""
    cpu_seconds: float
    """of it and of everything it started"""
    left: list[str]
    """what was still there after a while, and was ended here"""


def _children(of: int) -> list[int]:
    try:
        return [
            int(each) for each in Path(f"/proc/{of}/task/{of}/children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return []


def _descendants(of: int) -> list[int]:
    found = _children(of)
    return found + [each for child in found for each in _descendants(child)]


def _words(process: int) -> str:
    try:
        raw = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()[:200]


def _reaped(until: float) -> bool:
    """Wait for whoever is left; return whether nobody is."""
    while time.monotonic() < until:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not ended:
            time.sleep(0.01)
    return False


def _ended_with(parent: int) -> None:
    """When whoever measures is gone, nothing of what it had started stays."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    for each in _descendants(os.getpid()):
        os.kill(each, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def measured(command: list[str]) -> Metered:
    """Run ``command`` in the foreground and return how it went."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    threading.Thread(target=_ended_with, args=(os.getppid(),), daemon=True).start()
    began = time.monotonic()
    process = subprocess.Popen(command)
    status = process.wait()
    seconds = time.monotonic() - began
    left: list[str] = []
    while not _reaped(time.monotonic() + LEFT_SECONDS_MAX):
        for each in _descendants(os.getpid()):
            left.append(f"{each} {_words(each)}")
            os.kill(each, signal.SIGKILL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Metered(status, seconds, used.ru_utime + used.ru_stime, left)


def main() -> None:
    """Measure, and write the result where it is wanted."""
    result = Path(sys.argv[1])
    measure = msgspec.json.encode(measured(sys.argv[2:]))
    result.with_suffix(".new").write_bytes(measure)
    result.with_suffix(".new").rename(result)


if __name__ == "__main__":
    main()
