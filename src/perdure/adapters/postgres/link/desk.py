"""Small changes in transactions of their own: a run made, a lease taken or given back, an input posted.

Invariants:
- A change that was answered is durable. One whose answer was lost is looked for before it is made again, and what
  was only found there, or committed without its standby, is answered after a commit of our own has reached where
  commits have to. Where none does within a bound, the change is in doubt, and whoever asked is told so.
- Who waits for changes is told after the commit, never within it: the notice would make all commits wait in line.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import psycopg

from perdure.adapters.postgres.columns import whole
from perdure.adapters.postgres.layout import CHANNEL, PAUSE_SECONDS_MAX, Setup
from perdure.adapters.postgres.link.faults import Unconfirmed
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import Busy, PerdureError, StoreFailed, StoreReadOnly

T = TypeVar("T")

TELL: Final = f"SELECT nextval('changes'), pg_notify('{CHANNEL}', '')"

_SURE: Final = "SELECT pg_logical_emit_message(true, 'perdure', '')"

_SURE_OF_FOUND: Final = f"{_SURE} WHERE current_setting('synchronous_standby_names') <> ''"

LOCKED: Final = "55P03"
"""The server's word for a lock that was waited for in vain."""

_AGAIN: Final = ("55P03", "57014", "40001", "40P01", "53300", "57P03")


def _unsure(doing: str, error: PerdureError) -> StoreFailed:
    return StoreFailed(
        f"{doing}: it isn't known whether that was done: {error}",
        hint="look at the run once the server answers, and ask again if it wasn't done",
    )


def stand_behind(db: Database) -> None:
    """Within a transaction that only found what was asked: its commit waits for whatever that one's had to wait for."""
    db.execute(_SURE_OF_FOUND)


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
        begun = time.monotonic()
        sent: list[str] = []
        lost = False
        while True:
            try:
                with self._readers.borrowed(doing, fresh=lost) as db:
                    return self._done(db, verb, sent, begun + self._setup.unsure_seconds)
            except (Busy, StoreReadOnly) as error:
                cause = error.__cause__
                state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
                lost = state is None or state[:2] in ("08", "57")
                if not self._tries_again(begun, sent, known=not lost and state not in _AGAIN):
                    raise _unsure(doing, error) if sent else error from error.__cause__
                if state == LOCKED and blocked is not None:
                    with self._readers.borrowed(doing) as db:
                        blocked(db)
                time.sleep(min(0.05, PAUSE_SECONDS_MAX))

    def _tries_again(self, begun: float, sent: list[str], *, known: bool) -> bool:
        """Whether there is time left; what the server refused is tried again only to learn what became of a commit."""
        bound = self._setup.unsure_seconds if sent else self._setup.away_seconds
        return time.monotonic() < begun + bound and (bool(sent) or not known)

    def _done(self, db: Database, verb: Callable[[Database, bool], T], sent: list[str], until: float) -> T:
        """Do it once; ``sent`` holds something as long as a commit was sent and nobody knows what became of it."""
        again = bool(sent)
        answers: list[T] = []
        try:
            with db.transaction():
                answers.append(verb(db, again))
                if again:
                    db.execute(_SURE)
                sent.append("a commit")
        except Unconfirmed:
            if not answers:
                raise
            self._confirm(db, until)
        with suppress(psycopg.Error):
            row = db.execute(TELL, binary=True).fetchone()
            self._changed(0 if row is None else whole(row[0]))
        return answers[0]

    def _confirm(self, db: Database, until: float) -> None:
        """What was committed before is where commits have to go. Raises ``Unconfirmed`` once ``until`` has passed."""
        while True:
            if time.monotonic() >= until:
                raise Unconfirmed
            with suppress(Unconfirmed):
                db.execute(_SURE)
                return
