"""The feed in PostgreSQL: batches in the order of (transaction, run, position), below the oldest that is under way.

Invariants:
- Transactions take their numbers in one order and commit in another. A batch is given out only when every transaction
  with a smaller number has ended, so nothing can come to stand before what was given out.
- A page's batches and the horizon that they lie below are of one snapshot.
- What was forgotten is looked at after the page was read: a page never has a hole that its reader isn't told of.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, LiteralString, NamedTuple, TypeAlias, cast

from perdure.adapters.postgres.following.stalling import found_stall
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.feed import FedBatch, FeedCursor, FeedPage
from perdure.values.errors import BadInput, CursorElsewhere, CursorForgotten
from perdure.values.limits import (
    FEED_LAG_COUNTED_MAX,
    FEED_NAME_CHARACTERS_MAX,
    FEED_PAGE_BATCHES_MAX,
    FEED_PRUNE_BATCHES_MAX,
    FEED_STALL_SECONDS,
)

Borrowed: TypeAlias = Callable[[str], AbstractContextManager[Database]]
"""Lends a connection in autocommit whose search path is ours, and says PostgreSQL's errors in perdure's words."""

_PAGE: Final = """
SELECT p.xid::text, p.run, p.first, p.last, r.name FROM (
    SELECT xid, run, first, last FROM feed
    WHERE (xid, run, first) > (%s::xid8, %s::bigint, %s::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, run, first LIMIT %s
) p JOIN runs r ON r.number = p.run ORDER BY p.xid, p.run, p.first
"""
_STATE: Final = """
SELECT era, (xid, run, first) > (%s::xid8, %s::bigint, %s::bigint),
    %s::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) FROM feed_state
"""
_LAG: Final = """
SELECT GREATEST(0, extract(epoch FROM clock_timestamp() - f.at))::float8 FROM feed f WHERE (xid, run, first) > (%s::xid8, %s::bigint, %s::bigint)
ORDER BY xid, run, first LIMIT 1
"""
_ADMIT: Final = """
INSERT INTO feed_cursors (name, xid, run, first)
SELECT %s, xid, run, first FROM (SELECT * FROM feed_state FOR SHARE) s ON CONFLICT (name) DO NOTHING
"""
_READER: Final = """
SELECT s.era, c.xid::text, c.run, c.first FROM feed_cursors c CROSS JOIN feed_state s WHERE c.name = %s
"""
_ACKNOWLEDGE: Final = """
UPDATE feed_cursors SET xid = %s::xid8, run = %s, first = %s, moved = now()
WHERE name = %s AND (xid, run, first) < (%s::xid8, %s::bigint, %s::bigint)
"""
_CURSORS: Final = """
SELECT c.name, s.era, c.xid::text, c.run, c.first,
    (SELECT count(*) FROM (SELECT FROM feed f WHERE (f.xid, f.run, f.first) > (c.xid, c.run, c.first) LIMIT %s) counted),
    (SELECT GREATEST(0, extract(epoch FROM clock_timestamp() - f.at))::float8 FROM feed f WHERE (f.xid, f.run, f.first) > (c.xid, c.run, c.first)
        ORDER BY f.xid, f.run, f.first LIMIT 1)
FROM feed_cursors c CROSS JOIN feed_state s ORDER BY c.xid, c.run, c.first, c.name
"""
# The state's row comes first, and alone: whoever admits a reader meanwhile waits, and starts past what went.
_PRUNE_ALONE: Final = "SELECT FROM feed_state FOR UPDATE"
_PRUNE: Final = """
WITH oldest AS (
    SELECT xid, run, first, at FROM feed
    WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) AND NOT EXISTS (
        SELECT FROM feed_cursors c WHERE (c.xid, c.run, c.first) < (feed.xid, feed.run, feed.first))
    ORDER BY xid, run, first LIMIT %s
), due AS (
    SELECT xid, run, first FROM (
        SELECT xid, run, first,
            bool_and(at < clock_timestamp() - %s * interval '1 second') OVER (ORDER BY xid, run, first) AS due
        FROM oldest) o
    WHERE due
), gone AS (
    DELETE FROM feed f USING due d WHERE f.xid = d.xid AND f.run = d.run AND f.first = d.first
), begun AS (
    UPDATE feed_state SET xid = l.xid, run = l.run, first = l.first
    FROM (SELECT * FROM due ORDER BY xid DESC, run DESC, first DESC LIMIT 1) l
)
SELECT count(*) FROM due
"""


class FedUpTo(NamedTuple):
    """A place in the feed: behind the batch that it names."""

    xid: str
    run: int
    first: int


BEGINNING: Final = FedUpTo("0", 0, 0)


class PostgresFeed:
    """The feed and its readers, over connections that somebody lends."""

    def __init__(self, borrowed: Borrowed) -> None:
        """Read and write through what ``borrowed`` lends."""
        self._borrowed: Borrowed = borrowed

    def page(self, after: str | None = None, limit: int = FEED_PAGE_BATCHES_MAX) -> FeedPage:
        era, place = (None, BEGINNING) if after is None else _read(after)
        if limit < 1:
            raise BadInput(f"a page of {limit} batches holds nothing")
        with self._borrowed("reading the feed") as db:
            rows = cast("list[tuple[str, int, int, int, str]]", _all(db, _PAGE, (*place, limit)))
            era = self._checked(db, era, place)
            last = FedUpTo(*rows[-1][:3]) if rows else place
            behind = cast("list[tuple[float]]", _all(db, _LAG, last))
            lag = behind[0][0] if behind else 0.0
            stall = found_stall(db) if len(rows) < limit and lag > FEED_STALL_SECONDS else None
        entries = tuple(FedBatch(run, first, end) for _, _, first, end, run in rows)
        return FeedPage(entries, _said(era, last), stall, lag)

    def reader(self, name: str) -> str:
        _check(name)
        with self._borrowed(f"looking how far {name} has read") as db:
            found = _all(db, _READER, (name,))
            if not found:
                db.execute(_ADMIT, (name,))
                found = _all(db, _READER, (name,))
        era, xid, run, first = cast("tuple[int, str, int, int]", found[0])
        return _said(era, FedUpTo(xid, run, first))

    def acknowledge(self, name: str, cursor: str) -> bool:
        era, place = _read(cursor)
        self.reader(name)
        with self._borrowed(f"noting how far {name} has read") as db:
            self._checked(db, era, BEGINNING, given_out=place)
            return db.execute(_ACKNOWLEDGE, (*place, name, *place)).rowcount == 1

    def forget(self, name: str) -> bool:
        with self._borrowed(f"forgetting the reader {name}") as db:
            return db.execute("DELETE FROM feed_cursors WHERE name = %s", (name,)).rowcount == 1

    def cursors(self) -> Sequence[FeedCursor]:
        with self._borrowed("looking at the feed's readers") as db:
            rows = _all(db, _CURSORS, (FEED_LAG_COUNTED_MAX,))
        found: list[FeedCursor] = []
        for row in rows:
            name, era, xid, run, first, count, lag = cast(
                "tuple[str, int, str, int, int, int, float | None]", row
            )
            found.append(FeedCursor(name, _said(era, FedUpTo(xid, run, first)), count, lag or 0.0))
        return found

    def prune(self, keep_seconds: float) -> int:
        with self._borrowed("forgetting old batches of the feed") as db, db.transaction():
            db.execute(_PRUNE_ALONE)
            return cast("int", _all(db, _PRUNE, (FEED_PRUNE_BATCHES_MAX, keep_seconds))[0][0])

    def _checked(self, db: Database, era: int | None, place: FedUpTo, given_out: FedUpTo = BEGINNING) -> int:
        """Return the feed's era; ``place`` was read after it wasn't forgotten, and ``given_out`` has been."""
        newest = max(place, given_out, key=lambda each: int(each.xid))
        row = _all(db, _STATE, (*place, newest.xid))[0]
        now, forgotten, ahead = cast("tuple[int, bool, bool]", row)
        if ahead or (era is not None and era != now):
            raise CursorElsewhere(
                "the cursor is of another history of this store: some of it may have been lost"
            )
        if forgotten and place != BEGINNING:
            raise CursorForgotten("batches that follow this cursor were forgotten already")
        return now


def _all(db: Database, statement: LiteralString, values: Sequence[object]) -> list[tuple[object, ...]]:
    return db.execute(statement, values).fetchall()


def _check(name: str) -> None:
    if not name or len(name) > FEED_NAME_CHARACTERS_MAX or not name.isprintable():
        raise BadInput(f"{name!r} can't name a reader", hint="use up to 100 printable characters")


def _said(era: int, place: FedUpTo) -> str:
    return f"{era}.{place.xid}.{place.run}.{place.first}"


def _read(cursor: str) -> tuple[int, FedUpTo]:
    parts = cursor.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
        raise BadInput(f"{cursor!r} is no cursor of this store's feed", hint="give back what a page said")
    era, xid, run, first = map(int, parts)
    return era, FedUpTo(str(xid), run, first)
