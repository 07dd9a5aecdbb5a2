"""An open PostgreSQL transaction, lent to a tool for a limited time.

Invariants:
- One statement at a time, and none that ends the transaction, changes who runs it, or names our table.
- Once the time has passed the transaction is rolled back, whatever the tool is doing then.
- After the tool has returned, or lost the transaction, every statement of it is refused.
"""

import re
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, cast

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from perdure.adapters.tools.context import SqlValue, Transaction
from perdure.adapters.tools.outcomes import NotDone
from perdure.adapters.tools.postgres.receipts import Session
from perdure.values.errors import BadTool

_SPOKEN: Final = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*(?P<verb>[a-zA-Z]*)", re.DOTALL)
_FORBIDDEN: Final = frozenset(
    {
        "abort", "begin", "commit", "deallocate", "discard", "end", "execute", "load", "prepare", "release", "reset",
        "rollback", "savepoint", "set", "start",
    }
)  # fmt: skip
_OURS: Final = re.compile(
    r"perdure_receipts|set_config|dblink|\bpg_(?:terminate|cancel)_backend", re.IGNORECASE
)
_MARK: Final = "perdure_tool.lent"
"""A setting that ends with the transaction: where it is gone, another has begun."""


class Lent:
    """A transaction that begins, and the time by which it must be committed."""

    def __init__(self, db: Session, deadline: float, role: str) -> None:
        """Begin, as ``role``; ``deadline`` is on the monotonic clock."""
        self._db: Session = db
        self._deadline: float = deadline
        self._turn: threading.Lock = threading.Lock()
        self._over: str = ""
        """why the tool may not write any more; empty while it may"""
        db.execute("SELECT set_config(%s, 'yes', true)", (_MARK,))
        if role:
            db.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        self._who: object = _identity(db)

    @contextmanager
    def lending(self) -> Generator[Transaction]:
        """Let the tool write, and no one after it."""
        watch = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._expire)
        watch.daemon = True
        watch.start()
        try:
            yield self
        finally:
            watch.cancel()
            # One that has begun to roll back is waited for: what comes next is ours, and not to be cut off.
            watch.join()
            with self._turn:
                self._over = self._over or "the tool has returned"

    @contextmanager
    def last_word(self) -> Generator[Session]:
        """Give the transaction back to us, if it still stands as it was lent; else raise ``NotDone``."""
        with self._turn:
            if time.monotonic() > self._deadline or not self._stands():
                raise NotDone("the transaction was rolled back: its time limit has passed, or it broke")
            if self._who is not None:
                if _identity(self._db) != self._who:
                    raise NotDone(
                        "rolled back: the tool's statements ended its transaction, or changed who runs it"
                    )
                self._who = None
                self._db.execute("RESET ROLE")
            yield self._db

    def execute(self, statement: str, values: Iterable[object] = ()) -> Iterator[tuple[SqlValue, ...]]:
        """Run one statement, its values written ``%s``, and return its rows."""
        check_statement(statement)
        with self._turn:
            if not self._over and not self._stands():
                self._over = "the transaction was rolled back by an earlier statement"
            if self._over:
                raise NotDone(self._over)
            # A prepared statement is one statement: nothing hides behind a semicolon.
            cursor = self._db.execute(statement.encode(), tuple(values) or None, prepare=True)
            rows = cursor.fetchall() if cursor.description is not None else []
            return iter(cast("list[tuple[SqlValue, ...]]", rows))

    def _stands(self) -> bool:
        return not self._db.closed and self._db.info.transaction_status == TransactionStatus.INTRANS

    def _expire(self) -> None:
        """Roll back, interrupting the statement that runs."""
        self._over = "its time limit has passed"
        with suppress(psycopg.Error):
            self._db.cancel_safe(timeout=5.0)
        with self._turn:
            self._db.close()


def check_statement(statement: str) -> None:
    """Raise ``BadTool`` for what is ours to say, or would reach around the transaction."""
    spoken = _SPOKEN.match(statement)
    verb = spoken.group("verb").lower() if spoken is not None else ""
    if verb in _FORBIDDEN or _OURS.search(statement):
        raise BadTool(
            f"a transactional tool may not do this: {statement.strip()[:80]}",
            hint="leave BEGIN, COMMIT, SAVEPOINT, SET, ROLE and the table perdure_receipts to perdure",
        )


def _identity(db: Session) -> object:
    """Return who runs statements now, and whether still in the transaction that was begun for the tool."""
    return db.execute("SELECT session_user, current_user, current_setting(%s, true)", (_MARK,)).fetchone()
