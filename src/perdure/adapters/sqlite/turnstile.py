"""A fair way to the file's write lock, for several processes.

SQLite alone lets waiting writers sleep ever longer while a busy one comes back at once. Here a
writer that has just committed must pass the turnstile again, and the one that waits inside it is
next: nobody overtakes it. The system frees the turnstile of a process that dies.
"""

import fcntl
import os
import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import apsw

from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.layout import BUSY_PAUSE_SECONDS
from perdure.values.errors import Busy


class Turnstile:
    """One writer's way in."""

    def __init__(self, path: Path, seconds: float) -> None:
        """Open the turnstile at ``path``; raise ``Busy`` after ``seconds`` of waiting."""
        self._path = path
        self._seconds = seconds
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._deadline = 0.0

    def close(self) -> None:
        os.close(self._handle)

    def serve(self, db: Database) -> None:
        """While ``db`` waits for the write lock, it waits as this turnstile does."""
        db.set_busy_handler(self._wait_on)

    def begin(self, db: Database) -> None:
        """Begin a transaction that writes, in turn with other processes."""
        self._deadline = time.monotonic() + self._seconds
        self._enter()
        try:
            db.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as error:
            raise self._busy() from error
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep every other writer out, for work that is no transaction; closes the turnstile."""
        self._deadline = time.monotonic() + self._seconds
        try:
            self._enter()
            yield
        finally:
            self.close()

    def _enter(self) -> None:
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not self._wait_on(0):
                    raise self._busy() from None
            else:
                return

    def _wait_on(self, _tries: int) -> bool:
        if time.monotonic() >= self._deadline:
            return False
        time.sleep(BUSY_PAUSE_SECONDS * (0.5 + random.random()))  # noqa: S311 - chance keeps waiters apart
        return True

    def _busy(self) -> Busy:
        return Busy(f"{self._path.parent}: other processes held the store for {self._seconds} seconds")
