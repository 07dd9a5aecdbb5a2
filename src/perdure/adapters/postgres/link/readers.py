"""Connections for reading, and for small changes of their own: a bounded number, kept for the next.

Invariants:
- No more than ``Setup.pool_max`` are open at a time; whoever comes beyond waits for one, for a bounded time.
- A connection that broke is closed, never lent again.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg

from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import Unanswered, Unconfirmed, said
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import Busy, StoreFailed

T = TypeVar("T")

LENT_SECONDS: Final = 30.0
"""How long anybody waits for a connection that others use; nobody keeps one for longer than a statement or two."""


class Readers:
    """Owns the connections."""

    def __init__(self, dialer: Dialer) -> None:
        """Open none yet."""
        self._dialer: Dialer = dialer
        self._free: threading.Semaphore = threading.BoundedSemaphore(dialer.setup.pool_max)
        self._guard: threading.Lock = threading.Lock()
        self._idle: list[tuple[Database, float]] = []
        self._closed: bool = False

    def read(self, doing: str, verb: Callable[[Database], T]) -> T:
        """Return what ``verb`` reads; it is read once more where a kept connection turns out to be gone."""
        try:
            with self._lent() as db:
                return verb(db)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not _is_gone(error):
                raise said(error, doing) from error
        except psycopg.Error as error:
            raise said(error, doing) from error
        with self.borrowed(doing, fresh=True) as db:
            return verb(db)

    @contextmanager
    def borrowed(self, doing: str, *, fresh: bool = False) -> Generator[Database]:
        """Lend a connection; what PostgreSQL says while it is lent is said in perdure's words."""
        try:
            with self._lent(fresh=fresh) as db:
                yield db
        except (psycopg.Error, UnicodeError) as error:
            raise said(error, doing) from error

    @contextmanager
    def _lent(self, *, fresh: bool = False) -> Generator[Database]:
        if not self._free.acquire(timeout=LENT_SECONDS):
            raise Busy(f"{self._dialer.place}: all {self._dialer.setup.pool_max} connections were in use")
        try:
            db = self._taken(fresh=fresh)
            try:
                yield db
            finally:
                self._give_back(db)
        finally:
            self._free.release()

    def _taken(self, *, fresh: bool) -> Database:
        with self._guard:
            if self._closed:
                raise StoreFailed("the store is closed")
            if fresh:
                # Where one was gone the others are, too.
                gone, self._idle = self._idle, []
            else:
                db = self._idle.pop()[0] if self._idle else None
                gone = [each for each in self._idle if each[1] < time.monotonic()]
                self._idle = [each for each in self._idle if each not in gone]
                if db is not None:
                    for old, _ in gone:
                        old.close()
                    return db
        for old, _ in gone:
            old.close()
        return self._dialer.connected()

    def _give_back(self, db: Database) -> None:
        if db.closed or db.broken or db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            db.close()
            if db.silent:
                # Whoever is lent another one that was made before would wait as long.
                with self._guard:
                    gone, self._idle = self._idle, []
                for old, _ in gone:
                    old.close()
            return
        with self._guard:
            if not self._closed:
                self._idle.append((db, time.monotonic() + self._dialer.setup.idle_connection_seconds))
                return
        db.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            for db, _ in self._idle:
                db.close()
            self._idle.clear()


def _is_gone(error: psycopg.Error) -> bool:
    """Tell whether ``error`` says that the connection is gone, and nothing of what was asked."""
    if isinstance(error, Unanswered | Unconfirmed):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))
