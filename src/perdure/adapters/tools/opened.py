"""An open SQLite transaction, lent to a tool for a limited time.

Invariants:
- The tool sees no table of ours, and can't end the transaction, attach files or set pragmas.
- Once the time has passed the transaction is rolled back, whatever the tool is doing then.
- After the tool has returned, or lost the transaction, every statement of it is refused.
"""

import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, cast

from perdure.adapters.tools.connection import Connection, ended
from perdure.adapters.tools.context import SqlValue, Transaction
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.errors import BadTool

_OURS: Final = "perdure_"

_FORBIDDEN: Final = frozenset(
    {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
)


def _judge(
    action: int, first: str | None, second: str | None, _schema: str | None, _inner: str | None
) -> int:
    ours = any(name is not None and name.lower().startswith(_OURS) for name in (first, second))
    return sqlite3.SQLITE_DENY if ours or action in _FORBIDDEN else sqlite3.SQLITE_OK


class Opened:
    """A transaction that has begun, and the time by which it must be committed."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        """Hold ``connection``, inside its transaction; ``deadline`` is on the monotonic clock."""
        self.connection: Connection = connection
        self.deadline: float = deadline
        self._turn: threading.Lock = threading.Lock()
        self._over: str = ""
        """why the tool may not write any more; empty while it may"""

    @contextmanager
    def lent(self) -> Generator[Transaction]:
        """Let the tool write, and no one after it."""
        watch = threading.Timer(max(0.0, self.deadline - time.monotonic()), self._expire)
        watch.daemon = True
        self.connection.set_authorizer(_judge)
        watch.start()
        try:
            yield self
        finally:
            watch.cancel()
            # One that has begun to roll back is waited for: nobody else may close the connection meanwhile.
            watch.join()
            with self._turn:
                self._over = self._over or "the tool has returned"
                with suppress(sqlite3.ProgrammingError):
                    self.connection.set_authorizer(None)

    @contextmanager
    def last_word(self) -> Generator[Connection]:
        """Give the connection back to us, if the transaction still stands; else raise ``NotDone``."""
        with self._turn:
            if time.monotonic() > self.deadline or not _stands(self.connection):
                raise NotDone("the transaction was rolled back: its time limit has passed, or it broke")
            yield self.connection

    def execute(self, statement: str, values: Iterable[object] = ()) -> Iterator[tuple[SqlValue, ...]]:
        """Run one statement and return its rows."""
        with self._turn:
            if not self._over and not _stands(self.connection):
                self._over = "the transaction was rolled back by an earlier statement"
            if self._over:
                raise NotDone(self._over)
            try:
                return iter(
                    self.connection.execute(statement, cast("tuple[SqlValue, ...]", tuple(values))).fetchall()
                )
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_AUTH:
                    raise
                raise BadTool(
                    f"a transactional tool may not do this: {error}",
                    hint="leave BEGIN, COMMIT, PRAGMA, ATTACH and tables named perdure_* to perdure",
                ) from error

    def _expire(self) -> None:
        """Roll back, interrupting the statement that runs."""
        self._over = "its time limit has passed"
        with suppress(sqlite3.Error):
            self.connection.interrupt()
        with self._turn:
            ended(self.connection)


def _stands(connection: Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:
        return False
