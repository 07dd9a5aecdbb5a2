"""Connections for reading: as many as read at the same time, kept for the next.

Invariant: what is read of a moment by several statements is as one commit left it, whoever writes meanwhile.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import apsw

from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.layout import Places, Setup
from perdure.adapters.sqlite.opening import open_reader
from perdure.values.errors import StoreFailed


class Readers:
    """Owns the reading connections."""

    def __init__(self, places: Places, setup: Setup) -> None:
        """Open the first one, so that what can't be read is refused at once."""
        self._places = places
        self._setup = setup
        self._guard = threading.Lock()
        self._idle: list[Database] = [open_reader(places, setup)]
        self._closed = False

    @contextmanager
    def borrowed(self, doing: str) -> Generator[Database]:
        """Lend a connection; what SQLite says while it is lent is said in perdure's words."""
        with self._guard:
            if self._closed:
                raise StoreFailed("the store is closed")
            db = self._idle.pop() if self._idle else None
        if db is None:
            db = open_reader(self._places, self._setup)
        try:
            yield db
        except apsw.Error as error:
            raise said(error, doing) from error
        finally:
            with self._guard:
                # Whoever was interrupted between two statements left a moment open.
                if self._closed or db.in_transaction:
                    db.close()
                else:
                    self._idle.append(db)

    @contextmanager
    def moment(self, doing: str) -> Generator[Database]:
        """Lend a connection that sees nothing of what is committed after its first statement."""
        with self.borrowed(doing) as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def fresh(self, doing: str) -> Generator[Database]:
        """Lend a connection that nobody else had or gets: it may hold temporary tables."""
        db = open_reader(self._places, self._setup)
        try:
            yield db
        except apsw.Error as error:
            raise said(error, doing) from error
        finally:
            db.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            for db in self._idle:
                db.close()
            self._idle.clear()
