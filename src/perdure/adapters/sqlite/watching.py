"""Waiting for change: our own commits wake at once, other processes' are looked for.

Invariant: a mark grows with every commit that was seen, and only then.
"""

import threading
import time

from perdure.adapters.sqlite.database import Database, number
from perdure.adapters.sqlite.layout import WATCH_PAUSE_SECONDS


class Watch:
    """Owns a connection on which SQLite tells whether anybody else has committed."""

    def __init__(self, db: Database) -> None:
        """Begin at mark 0."""
        self._db = db
        self._changed = threading.Condition()
        self._waiting = 0
        self._mark = 0
        self._version = self._look()
        self._closed = False

    def note(self) -> None:
        """We have committed."""
        with self._changed:
            self._mark += 1
            if self._waiting and not self._closed:
                # The connection sees our own commit as a foreign one; it is counted here. With nobody
                # waiting the next look counts it twice, which nobody can tell from two commits.
                self._version = self._look()
                self._changed.notify_all()

    def wait(self, after: int, timeout: float) -> int:
        """Return the mark once it is past ``after``, or ``after`` when ``timeout`` seconds have passed."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._waiting += 1
            try:
                while not self._closed:
                    self._count_foreign()
                    left = deadline - time.monotonic()
                    if self._mark > after or left <= 0:
                        break
                    self._changed.wait(min(left, WATCH_PAUSE_SECONDS))
            finally:
                self._waiting -= 1
            return max(self._mark, after)

    def close(self) -> None:
        """Wake everybody who waits, for good."""
        with self._changed:
            self._closed = True
            self._db.close()
            self._changed.notify_all()

    def _count_foreign(self) -> None:
        version = self._look()
        if version != self._version:
            self._version = version
            self._mark += 1
            self._changed.notify_all()

    def _look(self) -> int:
        return number(self._db, "PRAGMA data_version")
