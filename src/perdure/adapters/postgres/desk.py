"""Small changes in transactions of their own: a run made, a lease taken or given back, an input posted.

Invariants:
- A change that was answered is durable. One whose answer was lost is looked for before it is made again, and what
  was only found there is answered after a commit of our own has reached where commits have to.
- Who waits for changes is told after the commit, never within it: the notice would make all commits wait in line.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import psycopg

from perdure.adapters.postgres.columns import whole
from perdure.adapters.postgres.connecting import Database
from perdure.adapters.postgres.layout import CHANNEL, PAUSE_SECONDS_MAX, Setup
from perdure.adapters.postgres.readers import Readers
from perdure.values.errors import Busy

T = TypeVar("T")

TELL: Final = f"SELECT nextval('changes'), pg_notify('{CHANNEL}', '')"

_SURE: Final = "SELECT pg_logical_emit_message(true, 'perdure', '')"

LOCKED: Final = "55P03"
"""The server's word for a lock that was waited for in vain."""

_AGAIN: Final = ("55P03", "57014", "40001", "40P01", "53300", "57P03")


class Desk:
    """Makes changes that are not part of a stream."""

    def __init__(self, readers: Readers, setup: Setup, changed: Callable[[int], None]) -> None:
        """Make them over ``readers``' connections; ``changed`` is told the mark of each."""
        self._readers: Readers = readers
        self._setup: Setup = setup
        self._changed: Callable[[int], None] = changed

    def do(
        self,
        doing: str,
        verb: Callable[[Database, bool], T],
        *,
        blocked: Callable[[Database], None] | None = None,
    ) -> T:
        """Return what ``verb`` answers, made durable in one transaction.

        Where its answer was lost it is called again, and told so: it has to find what it did the first time. Where it
        waited in vain for a lock, ``blocked`` looks for who is in the way.
        """
        deadline = time.monotonic() + self._setup.away_seconds
        lost = False
        while True:
            try:
                with self._readers.borrowed(doing, fresh=lost) as db:
                    return self._done(db, verb, again=lost)
            except Busy as error:
                cause = error.__cause__
                state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
                lost = lost or state is None or state[:2] in ("08", "57")
                if time.monotonic() >= deadline or not (lost or state in _AGAIN):
                    raise
                if state == LOCKED and blocked is not None:
                    with self._readers.borrowed(doing) as db:
                        blocked(db)
                time.sleep(min(0.05, PAUSE_SECONDS_MAX))

    def _done(self, db: Database, verb: Callable[[Database, bool], T], *, again: bool) -> T:
        notices: list[object] = []
        note = notices.append
        db.add_notice_handler(note)
        try:
            with db.transaction():
                answer = verb(db, again)
                if again:
                    db.execute(_SURE)
            while notices:
                # A commit that didn't wait for its standby says so in a notice.
                notices.clear()
                db.execute(_SURE)
        finally:
            db.remove_notice_handler(note)
        with suppress(psycopg.Error):
            row = db.execute(TELL, binary=True).fetchone()
            self._changed(0 if row is None else whole(row[0]))
        return answer
