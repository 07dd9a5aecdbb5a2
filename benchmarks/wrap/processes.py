"""Processes of a benchmark: started in a group of their own, known by what they say first, and gone afterwards."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
ROOT = Path(__file__).parents[2]
PERDURE = (sys.executable, "-m", "perdure.cli")
_URL = re.compile(r"http://127\.0\.0\.1:\d+/\S*")


class NeverSaid(Exception):
    """A process ended, or stayed silent, before it said where it listens."""


def ended(process: subprocess.Popen[str]) -> None:
    """End a process and its group."""
    for strike in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, strike)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


@contextmanager
def listening(command: Sequence[str], env: Mapping[str, str] | None = None) -> Generator[str]:
    """Run ``command`` and yield the address that it says it listens at."""
    process = subprocess.Popen(
        list(command),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    found = threading.Event()
    url: list[str] = []

    def heard() -> None:
        for line in process.stdout or ():
            said.append(line)
            if not url and (match := _URL.search(line)):
                url.append(match[0])
                found.set()
        found.set()

    threading.Thread(target=heard, daemon=True).start()
    try:
        if not found.wait(START_SECONDS) or not url:
            raise NeverSaid(f"{' '.join(command[:6])} ...: {''.join(said)[-800:]}")
        yield url[0]
    finally:
        ended(process)
