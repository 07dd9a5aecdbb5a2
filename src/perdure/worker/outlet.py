"""Lines on their way to standard error, written by a thread of their own.

Invariants:
- Who says something never waits for who reads it: a pipe that nobody empties, or that is broken, holds up no run, no
  sign of life and no end.
- Lines come whole and in order. What found no room is counted, and the count is said when there is room again.
"""

import queue
import sys
import threading

from perdure.values.limits import TOLD_LINES_MAX, TOLD_SECONDS


class Outlet:
    """Owns the thread that writes."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(TOLD_LINES_MAX)
        self._lost: int = 0
        threading.Thread(target=self._write, name="perdure-telling", daemon=True).start()

    def say(self, line: str) -> None:
        """The line is written soon, or counted as lost."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def drain(self, seconds: float = TOLD_SECONDS) -> None:
        """What was said is written, unless nobody reads it within ``seconds``."""
        written = threading.Event()
        try:
            self._lines.put_nowait(written)
        except queue.Full:
            return
        written.wait(seconds)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            lost, self._lost = self._lost, 0
            more = f"{lost} lines found no room: standard error was not read\n" if lost else ""
            try:
                sys.stderr.write(f"{line}\n{more}")
                sys.stderr.flush()
            except (OSError, ValueError):
                # Nobody reads it any more. The work goes on.
                continue
