"""The part of a SQLite connection that we use, with types; the one door to it.

It is the standard library's SQLite, not the APSW of our own store: an agent's other tools use the
standard library's too, and two copies of SQLite in one process don't see each other's locks (POSIX
drops a process's locks on a file when any part of it closes that file).
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

from perdure.adapters.tools.context import SqlValue

Row = tuple[SqlValue, ...]
Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class Rows(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Row | None:
        """Return the next row."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        ...


class Connection(Protocol):
    """An open SQLite file."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, statement: str, values: Sequence[SqlValue] = ..., /) -> Rows:
        """Run one statement."""
        ...

    def set_authorizer(self, authorizer: Authorizer | None) -> None:
        """Let ``authorizer`` judge each statement."""
        ...

    def interrupt(self) -> None:
        """Abort what runs now; any thread may say so."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def connected(path: Path, *, wait: float, make: bool) -> Connection:
    """Return a connection that waits up to ``wait`` seconds for locks and syncs each commit.

    Without ``make`` a file that isn't there is an error. Transactions begin when we say so.
    """
    address = f"{path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
    opened = sqlite3.connect(address, timeout=wait, isolation_level=None, check_same_thread=False, uri=True)
    opened.execute("PRAGMA synchronous=FULL")
    return cast("Connection", cast("object", opened))


def ended(connection: Connection) -> None:
    """Roll back what isn't committed, and close the connection; closing twice does nothing."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        pass  # closing rolls back too
    finally:
        connection.close()
