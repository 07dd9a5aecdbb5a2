"""The feed of one file: events in the order of their numbers, which is the order of their commits.

Invariants:
- One writer at a time commits, so an event's number is larger than that of all that were durable before it.
- Events are never deleted here: nothing of the feed is ever forgotten.
- A cursor names its last event by number and digest. Where another event has that number, it is refused.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from perdure.adapters.sqlite.database import Database, ask, ask_one, number, raw, text, whole
from perdure.adapters.sqlite.writer import Writer
from perdure.log.envelope import Stored, peek
from perdure.log.feed import FedBatch, FeedCursor, FeedPage
from perdure.values.errors import BadInput, CursorElsewhere
from perdure.values.limits import FEED_LAG_COUNTED_MAX, FEED_NAME_CHARACTERS_MAX, FEED_PAGE_BATCHES_MAX

DIGITS: Final = 16
"""Of a digest in a cursor: nobody looks for another event that has them."""

_PAGE: Final = """
SELECT e.number, r.name, e.position FROM events e JOIN runs r ON r.number = e.run
WHERE e.number > ? ORDER BY e.number LIMIT ?
"""
_NEXT: Final = """
SELECT r.name, e.position, e.frame, e.digest FROM events e JOIN runs r ON r.number = e.run
WHERE e.number > ? ORDER BY e.number LIMIT 1
"""
_DIGEST: Final = "SELECT digest FROM events WHERE number = ?"
_BEHIND: Final = "SELECT count(*) FROM (SELECT 1 FROM events WHERE number > ? LIMIT ?)"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS feed_cursors (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""
_KNOWS: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'feed_cursors'"
_READER: Final = "SELECT number FROM feed_cursors WHERE name = ?"
_ADMIT: Final = "INSERT INTO feed_cursors VALUES (?, 0) ON CONFLICT (name) DO NOTHING"
_MOVE: Final = "UPDATE feed_cursors SET number = ? WHERE name = ? AND number < ? RETURNING 1"
_FORGET: Final = "DELETE FROM feed_cursors WHERE name = ? RETURNING 1"
_CURSORS: Final = "SELECT name, number FROM feed_cursors ORDER BY number, name"


class SqliteFeed:
    """The feed and its readers, over a store's connections."""

    def __init__(
        self, borrowed: Callable[[str], AbstractContextManager[Database]], writing: Callable[[], Writer]
    ) -> None:
        """Read through what ``borrowed`` lends, and write through the store's writer."""
        self._borrowed: Callable[[str], AbstractContextManager[Database]] = borrowed
        self._writing: Callable[[], Writer] = writing

    def page(self, after: str | None = None, limit: int = FEED_PAGE_BATCHES_MAX) -> FeedPage:
        if limit < 1:
            raise BadInput(f"a page of {limit} batches holds nothing")
        with self._borrowed("reading the feed") as db:
            last = 0 if after is None else _read(db, after)
            entries: list[FedBatch] = []
            for event, run, position in ask(db, _PAGE, (last, limit)):
                last = whole(event)
                name, at = text(run), whole(position)
                if entries and entries[-1].run == name and entries[-1].last == at - 1:
                    entries[-1] = entries[-1]._replace(last=at)
                else:
                    entries.append(FedBatch(name, at, at))
            return FeedPage(tuple(entries), _said(db, last), None, _age(db, last))

    def reader(self, name: str) -> str:
        if not name or len(name) > FEED_NAME_CHARACTERS_MAX or not name.isprintable():
            raise BadInput(f"{name!r} can't name a reader", hint="use up to 100 printable characters")
        with self._borrowed(f"looking how far {name} has read") as db:
            known = ask_one(db, _KNOWS) and ask_one(db, _READER, (name,))
        if not known:
            self._writing().do(lambda db: _admitted(db, name))
        with self._borrowed(f"looking how far {name} has read") as db:
            return _said(db, number(db, _READER, (name,)))

    def acknowledge(self, name: str, cursor: str) -> bool:
        self.reader(name)
        with self._borrowed(f"looking where {name} is") as db:
            last = _read(db, cursor)
        return self._writing().do(lambda db: ask_one(db, _MOVE, (last, name, last)) is not None)

    def forget(self, name: str) -> bool:
        with self._borrowed(f"looking for the reader {name}") as db:
            if ask_one(db, _KNOWS) is None:
                return False
        return self._writing().do(lambda db: ask_one(db, _FORGET, (name,)) is not None)

    def cursors(self) -> Sequence[FeedCursor]:
        with self._borrowed("looking at the feed's readers") as db:
            if ask_one(db, _KNOWS) is None:
                return ()
            found: list[FeedCursor] = []
            for name, last in ask(db, _CURSORS):
                at = whole(last)
                behind = number(db, _BEHIND, (at, FEED_LAG_COUNTED_MAX))
                found.append(FeedCursor(text(name), _said(db, at), behind, _age(db, at)))
            return found

    def prune(self, keep_seconds: float) -> int:
        del keep_seconds
        return 0


def _admitted(db: Database, name: str) -> None:
    db.execute(_TABLE)
    db.execute(_ADMIT, (name,))


def _age(db: Database, after: int) -> float:
    """Return the age of the event that follows; 0 if none does."""
    row = ask_one(db, _NEXT, (after,))
    if row is None:
        return 0.0
    run, position, frame, digest = row
    at = peek(Stored(text(run), whole(position), raw(frame), raw(digest))).at
    return max(0.0, (time.time_ns() - at) / 1e9)


def _said(db: Database, last: int) -> str:
    return f"{last}.{_digits(db, last)}"


def _digits(db: Database, event: int) -> str:
    row = ask_one(db, _DIGEST, (event,)) if event else None
    return raw(row[0]).hex()[:DIGITS] if row is not None else "0"


def _read(db: Database, cursor: str) -> int:
    event, _, digits = cursor.partition(".")
    if not (event.isascii() and event.isdecimal() and len(event) < 19 and digits):
        raise BadInput(f"{cursor!r} is no cursor of this store's feed", hint="give back what a page said")
    if _digits(db, int(event)) != digits:
        raise CursorElsewhere("the cursor is of another history of this store: some of it may have been lost")
    return int(event)
