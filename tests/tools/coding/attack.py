"""Somebody who swaps names in a workspace as fast as they can, and what a set of tools does meanwhile.

The attacker is a process of its own, so it runs truly beside the tools. It exchanges two names of the workspace
until it is told to stop, and says how often it did.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SECRET = "nobody here may see this"
INSIDE = "what is inside\n"

SWAPS_MIN = 10_000
"""Fewer may have met no tool at all."""
DONE_MIN = 100
"""Calls that have to succeed: an attack on tools that only refuse shows nothing."""
PATIENCE = 60.0
"""Seconds more where the machine is busy."""

ATTACKER = """
import ctypes, os, sys, threading
place, decoy = (os.fsencode(name) for name in sys.argv[1:3])
least = int(sys.argv[3])
exchange = ctypes.CDLL(None, use_errno=True).renameat2
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
print("ready", flush=True)
swaps = 0
while not stop.is_set():
    swaps += exchange(-100, place, -100, decoy, 2) == 0
    if swaps == least:
        print("enough", flush=True)
        least = 0
print(swaps, flush=True)
"""
"""Both names are always there: the kernel exchanges them at once (``RENAME_EXCHANGE``)."""


class Ground(NamedTuple):
    """A workspace with a directory and a file in it, and a place outside that must stay as it is."""

    root: Path
    outside: Path

    @classmethod
    def made(cls, folder: Path) -> "Ground":
        """Make both below ``folder``."""
        ground = cls(folder / "ws", folder / "outside")
        (ground.root / "d").mkdir(parents=True)
        (ground.root / "d" / "f").write_text(INSIDE)
        ground.outside.mkdir()
        (ground.outside / "f").write_text(SECRET)
        return ground

    def harmed(self) -> list[str]:
        """Return what is otherwise outside than it was made."""
        found = {path.name: path.read_text() for path in self.outside.iterdir()}
        return sorted(name for name in {"f", *found} if found.get(name) != (SECRET if name == "f" else None))


class Account(NamedTuple):
    """What the tools did under attack."""

    swaps: int
    done: int
    refused: int
    seen: list[str]
    """answers in which the secret stands"""
    slowest: float
    """seconds of the slowest call"""


@contextmanager
def attacked(place: Path, decoy: Path) -> Generator[subprocess.Popen[str]]:
    """Exchange the two names until the end of the block."""
    attacker = subprocess.Popen(
        [sys.executable, "-I", "-c", ATTACKER, str(place), str(decoy), str(SWAPS_MIN)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert attacker.stdout is not None
    try:
        assert attacker.stdout.readline() == "ready\n"
        yield attacker
    finally:
        attacker.kill()
        attacker.wait()
        attacker.stdout.close()
        if attacker.stdin is not None:
            attacker.stdin.close()


def fought(
    calls: list[Callable[[], object]],
    refusals: tuple[type[Exception], ...],
    place: Path,
    decoy: Path,
    *,
    seconds: float,
) -> Account:
    """Make ``calls`` in turn for ``seconds`` while the two names are exchanged, and on until both have tried enough."""
    done = refused = 0
    seen: list[str] = []
    slowest = 0.0
    with attacked(place, decoy) as attacker:
        assert attacker.stdin is not None
        assert attacker.stdout is not None
        words: list[str] = []
        ear = threading.Thread(target=lambda told=attacker.stdout: words.extend(told), daemon=True)
        ear.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until or (
            (done < DONE_MIN or not words) and time.monotonic() < until + PATIENCE
        ):
            for call in calls:
                began = time.monotonic()
                try:
                    said = str(call())
                    done += 1
                except refusals as error:
                    said = str(error)
                    refused += 1
                slowest = max(slowest, time.monotonic() - began)
                if SECRET in said:
                    seen.append(said)
        attacker.stdin.close()
        ear.join(PATIENCE)
        swaps = int(words[-1])
    return Account(swaps, done, refused, seen, slowest)
