"""One connection for small statements, taken anew when it is lost.

Invariant: a statement whose answer was lost is an error to whoever asked; it is never sent a second time here.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

import psycopg

from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import said
from perdure.adapters.postgres.link.waiting import Database

Lend = Callable[[str], AbstractContextManager[Database]]
"""Lends a connection on which each statement is a transaction, and tells errors in perdure's words."""


class OwnLine:
    """A connection that several threads take turns with."""

    def __init__(self, dialer: Dialer) -> None:
        """Connect by ``dialer`` when something is first asked."""
        self._dialer: Dialer = dialer
        self._guard: threading.Lock = threading.Lock()
        self._db: Database | None = None

    @contextmanager
    def lent(self, doing: str) -> Generator[Database]:
        """Lend the connection; errors of PostgreSQL are told in perdure's words."""
        with self._guard:
            if self._db is None or self._db.closed:
                self._db = self._dialer.connected(writes=True)
            try:
                yield self._db
            except (psycopg.Error, UnicodeError, OSError) as error:
                if self._db.closed or self._db.broken:
                    self._db.close()
                    self._db = None
                raise said(error, doing) from error

    def close(self) -> None:
        """The connection is given back; what asks afterwards makes another."""
        with self._guard:
            if self._db is not None:
                self._db.close()
                self._db = None
