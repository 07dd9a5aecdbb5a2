"""Transactional tools on SQLite: the tool's writes and their outcome are one commit.

Invariants:
- (key, send) has at most one row, for ever: 'done' with the result, or 'barred'. A send that was
  barred finds its row taken and can't commit, however long its sender was frozen.
- A key that has a 'done' row is never run again: its result is given back.
- What isn't committed within the time limit is rolled back, also where the tool hangs.
"""

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import msgspec

from perdure.adapters.tools.connection import Connection, connected, ended
from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.opened import Opened
from perdure.adapters.tools.outcomes import Found, Never, NotDone, Unknown
from perdure.values.digest import Json
from perdure.values.limits import PROBE_SECONDS_MAX

_CREATE: Final = """
CREATE TABLE IF NOT EXISTS main.perdure_effects (
    key TEXT NOT NULL,
    send INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'barred')),
    result TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, send)
) WITHOUT ROWID
"""
_DONE: Final = "SELECT result FROM main.perdure_effects WHERE key = ? AND outcome = 'done'"
_TAKEN: Final = "SELECT outcome FROM main.perdure_effects WHERE key = ? AND send = ?"
_SETTLE: Final = "INSERT INTO main.perdure_effects VALUES (?, ?, 'done', ?, ?)"
_BAR: Final = "INSERT OR IGNORE INTO main.perdure_effects VALUES (?, ?, 'barred', NULL, ?)"

RESOLVE_SECONDS: Final = PROBE_SECONDS_MAX / 2
"""How long a resolve waits for the write lock: it has to answer before the probe's own bound."""

COMMIT_PAUSE_SECONDS: Final = 0.01
"""Between two tries to commit past readers: far below any time limit, far above a reader's turn."""


class SQLiteDatabase:
    """A SQLite file that transactional tools write to; each call opens it anew."""

    def __init__(self, path: str | Path) -> None:
        """Name the file, made at the first write if it isn't there."""
        self.path: Path = Path(path)

    def __repr__(self) -> str:
        """Show the file's name."""
        return f"SQLiteDatabase({self.path.name!r})"

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        """Run ``body`` in one transaction, settle (``key``, ``send``) in the same, and return its result.

        Raises ``NotDone`` if nothing was committed, and ``Unknown`` where that can't be told. Blocks.
        """
        deadline = time.monotonic() + time_limit
        try:
            connection = self._connect(time_limit, make=True)
            with _written(connection):
                return self._run(Opened(connection, deadline), key, send, body)
        except sqlite3.Error as error:
            raise NotDone(f"nothing was committed: {error}") from error

    def resolve(self, key: str, sends: int) -> Found | Never:
        """Return the result of whichever of the first ``sends`` sends was committed.

        Where none was, all of them are barred first: a sender that still runs can't commit.
        Raises ``Unknown`` while the file can't be written to, as when a sender is in mid-transaction.
        """
        try:
            connection = self._connect(RESOLVE_SECONDS, make=False)
            with _written(connection):
                if (done := _result(connection, key)) is not None:
                    return Found(_decoded(done))
                for send in range(1, sends + 1):
                    connection.execute(_BAR, (key, send, time.time_ns()))
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unknown(f"{self.path.name} can't be written to now ({error})") from error
        return Never(barred=True)

    def _connect(self, wait: float, *, make: bool) -> Connection:
        return connected(self.path, wait=wait, make=make)

    def _run(self, opened: Opened, key: str, send: int, body: Callable[[Transaction], Json]) -> Json:
        if (done := _result(opened.connection, key)) is not None:
            return _decoded(done)
        if opened.connection.execute(_TAKEN, (key, send)).fetchone() is not None:
            raise NotDone("this send was barred: a successor has looked and found nothing")
        try:
            with opened.lent() as transaction:
                result = body(transaction)
        except (NotDone, Unknown, sqlite3.Error):
            raise
        except Exception as error:
            raise NotDone(f"rolled back: {type(error).__name__}: {error}") from error
        settled = (key, send, msgspec.json.encode(result).decode(), time.time_ns())
        try:
            with opened.last_word() as connection:
                connection.execute(_SETTLE, settled)
                _commit(connection, opened.deadline)
        except sqlite3.Error as error:
            self._read_back(opened.connection, key, send, error)
        return result

    def _read_back(self, connection: Connection, key: str, send: int, error: sqlite3.Error) -> None:
        """Return if the failed commit did commit after all; else raise ``NotDone``, or ``Unknown``."""
        ended(connection)
        try:
            fresh = self._connect(RESOLVE_SECONDS, make=False)
            with _written(fresh):
                row = fresh.execute(_TAKEN, (key, send)).fetchone()
        except sqlite3.Error as second:
            raise Unknown(f"the commit failed ({error}), and so did a look at it ({second})") from error
        if row != ("done",):
            raise NotDone(f"the commit failed: {error}") from error


@contextmanager
def _written(connection: Connection) -> Generator[None]:
    """Hold the write lock, with our table there; what isn't committed is rolled back at the end."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_CREATE)
        yield
    finally:
        ended(connection)


def _result(connection: Connection, key: str) -> str | None:
    row = connection.execute(_DONE, (key,)).fetchone()
    return None if row is None else str(row[0])


def _decoded(text: str) -> Json:
    return cast("Json", msgspec.json.decode(text))


def _commit(connection: Connection, deadline: float) -> None:
    """Commit, waiting for readers as long as the deadline allows."""
    while True:
        try:
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(COMMIT_PAUSE_SECONDS)
        else:
            return
