"""Collecting garbage: what nothing reaches is condemned, and taken away once nobody can be about to name it.

Invariants:
- What is unreached is condemned in one transaction, before the first of it goes. So an object of a tree that isn't
  condemned has all that is below it, and half a tree is never taken for a whole one.
- A condemned blob counts as not here for whoever would lean on it; putting it again takes the sentence back. So only
  those who looked before can still name it, and none after ``COLLECT_GRACE_SECONDS`` whose recording keeps its bound.
- Before blobs go, the sweep is counted, and every transaction that began before that has ended; then what is named is
  looked at once more. So either this collector sees what a transaction names, or the transaction sees the count move,
  looks itself, and is refused or takes the sentence back in its own commit (``fence``). No lock holds a writer up, and
  no transaction here waits for a writer's while it holds what a writer may want.
- An object goes after its row, and stands in ``puts`` as doomed from the row's end to its own: a crash leaves no
  object that nobody knows. A promise that is older than the grace is doomed, and whoever made it can't keep it.
- What lies in the object store and stands in no row and no promise was put by a request that outlived them both.
"""

import time
from collections.abc import Iterable
from typing import Final

import psycopg

from perdure.adapters.postgres.columns import raw, text, whole
from perdure.adapters.postgres.content.blobs import OUTSIDE, SPILLED
from perdure.adapters.postgres.content.frames import index_of
from perdure.adapters.postgres.content.garbage import REACHED, UNREACHED, heap, heap_of
from perdure.adapters.postgres.content.large import LargeBlobs
from perdure.adapters.postgres.content.marking import Marking
from perdure.adapters.postgres.failover.identity import ground
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import said
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.garbage import Collected, Heap, Tell, in_all
from perdure.values.errors import Busy, Suspended
from perdure.values.limits import COLLECT_GRACE_SECONDS

COLLECTING: Final = 0x50455243
"""The advisory lock (``PERC``) under which one process at a time collects."""

SWEEP_ROWS: Final = 1000
"""Rows that one transaction takes away: some tens of milliseconds for whoever puts one of them again meanwhile."""

HORIZON_SECONDS: Final = 120.0
"""How long older transactions are waited for: ours end within seconds, so one that lasts is somebody else's."""

_CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"
_CONDEMN: Final = f"UPDATE blobs b SET condemned = %s WHERE condemned IS NULL AND {UNREACHED}"  # noqa: S608 - constants
_PARDON: Final = """
UPDATE blobs b SET condemned = NULL FROM (
    SELECT b.digest FROM blobs b JOIN pg_temp.reached r ON r.digest = b.digest
    WHERE b.condemned IS NOT NULL FOR UPDATE OF b SKIP LOCKED
) spared WHERE b.digest = spared.digest
"""
"""A row that a writer holds is being pardoned by it; waiting for it could make the two wait for each other."""

_DUE: Final = "SELECT 1 FROM blobs WHERE condemned <= %s LIMIT 1"
_TAKE: Final = f"""
DELETE FROM blobs b USING (
    SELECT digest FROM blobs b WHERE condemned <= %s AND {UNREACHED} ORDER BY digest LIMIT %s FOR UPDATE SKIP LOCKED
) due WHERE b.digest = due.digest RETURNING b.digest, b.form, octet_length(b.content), b.content
"""  # noqa: S608 - constants
_TAKE_FRAMES: Final = """
WITH gone AS (DELETE FROM frames WHERE digest = %s RETURNING octet_length(content) AS size)
SELECT coalesce(sum(size), 0)::bigint FROM gone
"""
_DOOM: Final = """
INSERT INTO puts (name, at, doomed) SELECT unnest(%s::text[]), 0, true ON CONFLICT (name) DO UPDATE SET doomed = true
"""
_DOOM_OLD: Final = "UPDATE puts SET doomed = true WHERE NOT doomed AND at <= %s"
_DOOMED: Final = "SELECT name FROM puts WHERE doomed ORDER BY name LIMIT %s"
_ENDED: Final = "DELETE FROM puts WHERE name = ANY(%s) AND doomed"
_PROMISED: Final = "SELECT name FROM puts WHERE name = ANY(%s)"
_ROWS: Final = "SELECT digest, content FROM blobs WHERE form = 2 AND digest = ANY(%s)"
_OLDER: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8"
_SWEEP: Final = "UPDATE store SET swept = swept + 1"
_NEXT: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"


class Collector:
    """One collection, on a connection of its own."""

    def __init__(
        self,
        dialer: Dialer,
        known: Known,
        large: LargeBlobs,
        tell: Tell,
        *,
        grace_seconds: float = COLLECT_GRACE_SECONDS,
    ) -> None:
        """Collect where ``dialer`` leads, whose store ``known`` has seen; ``tell`` hears of progress."""
        self._dialer = dialer
        self._life = known
        self._large = large
        self._tell = tell
        self._grace_ns = int(grace_seconds * 1e9)

    def collect(self, *, trial: bool = False) -> Collected:
        """What nothing reaches is gone, or condemned where somebody may be about to name it; in a trial nothing goes."""
        with self._dialer.connected(writes=True) as db:
            try:
                self._begin(db)
                marks = Marking(db, self._large, self._tell)
                marks.advance()
                db.execute("ANALYZE pg_temp.reached", prepare=False)
                found = self._tried(db) if trial else self._collected(db, marks)
                # A session ends some time after its connection, and whoever collects next would find it at work.
                db.execute("SELECT pg_advisory_unlock(%s)", (COLLECTING,))
            except psycopg.Error as error:
                raise said(error, "collecting garbage") from error
        return found

    def _begin(self, db: Database) -> None:
        """Only this process collects, and this is the store that counts."""
        db.take_long()
        if not _one(db, "SELECT pg_try_advisory_lock(%s)", COLLECTING):
            raise Busy("another process collects garbage of this store", hint="wait until it has ended")
        try:
            ground(db, self._life)
        except Suspended as error:
            # The original may still need what this copy doesn't know of.
            why = str(error).partition(": ")[2]
            raise Suspended(f"garbage isn't collected here: {why}", hint=error.hint) from error

    def _collected(self, db: Database, marks: Marking) -> Collected:
        with db.transaction():
            db.execute(_PARDON, prepare=False)
            db.execute(_CONDEMN.encode(), (whole(_one(db, _CLOCK)),), prepare=False)
        kept, unreached = heap(db, REACHED), heap(db, UNREACHED)
        until = whole(_one(db, _CLOCK)) - self._grace_ns
        taken = Heap()
        while _one(db, _DUE, until) is not None:
            gone = self._sweep(db, marks, until)
            if not gone.blobs:
                break
            taken = in_all(taken, gone)
            self._tell("blobs taken away", taken.blobs, unreached.blobs)
        strays = self._take_promises(db, until)
        strays = in_all(strays, self._take_strays(db))
        return Collected(kept, unreached, taken, strays, in_use=self._grace_ns > 0, trial=False)

    def _tried(self, db: Database) -> Collected:
        until = whole(_one(db, _CLOCK)) - self._grace_ns
        due = heap(db, f"{UNREACHED} AND b.condemned <= {until}") if self._grace_ns else heap(db, UNREACHED)
        return Collected(
            heap(db, REACHED), heap(db, UNREACHED), due, Heap(), in_use=self._grace_ns > 0, trial=True
        )

    # -- taking away ---------------------------------------------------------------------------------

    def _sweep(self, db: Database, marks: Marking, until: int) -> Heap:
        """Take some of what is due away."""
        self._announce(db)
        marks.advance()
        doomed: list[str] = []
        taken = Heap()
        with db.transaction():
            db.execute(_PARDON, prepare=False)
            for row in db.execute(_TAKE.encode(), (until, SWEEP_ROWS), binary=True).fetchall():
                key, form, here = raw(row[0]), whole(row[1]), 0
                if form == OUTSIDE:
                    doomed.append(index_of(raw(row[3])).object_name(self._large.store(), key.hex()))
                elif form == SPILLED:
                    here = whole(_one(db, _TAKE_FRAMES, key))
                taken = in_all(taken, heap_of(form, whole(row[2]), row[3], here))
            db.execute(_DOOM, (doomed,))
        self._take_doomed(db)
        return taken

    def _announce(self, db: Database) -> None:
        """Whoever writes from here on sees the count; all others have ended."""
        db.execute(_SWEEP)
        older = text(_one(db, _NEXT))
        deadline = time.monotonic() + HORIZON_SECONDS
        while not _one(db, _OLDER, older):
            if time.monotonic() > deadline:
                raise Busy(
                    "a transaction that began before this collection doesn't end",
                    hint="find it in pg_stat_activity by its xact_start; nothing was taken away meanwhile",
                )
            time.sleep(0.01)

    def _take_promises(self, db: Database, until: int) -> Heap:
        """Objects that were promised too long ago go; return how many."""
        db.execute(_DOOM_OLD, (until,))
        return Heap(files=self._take_doomed(db))

    def _take_doomed(self, db: Database) -> int:
        """Delete the objects that are doomed, then forget them; without an object store they wait."""
        count = 0
        objects = self._large.objects
        while objects is not None:
            names = [text(row[0]) for row in db.execute(_DOOMED, (SWEEP_ROWS,), binary=True).fetchall()]
            if not names:
                break
            objects.delete(names)
            db.execute(_ENDED, (names,))
            count += len(names)
        return count

    def _take_strays(self, db: Database) -> Heap:
        """Delete objects of this store that no row and no promise names."""
        objects, strays, after = self._large.objects, Heap(), ""
        store = self._large.store()
        while objects is not None:
            page = objects.names(store, after)
            if not page:
                break
            after = page[-1][0]
            known = self._known(db, [name for name, _ in page])
            gone = [(name, size) for name, size in page if name not in known]
            objects.delete([name for name, _ in gone])
            strays = in_all(strays, Heap(files=len(gone), file_bytes=sum(size for _, size in gone)))
        return strays

    def _known(self, db: Database, names: list[str]) -> set[str]:
        """Return those that a promise or a row names: in that order, since a row follows its promise."""
        promised = {text(row[0]) for row in db.execute(_PROMISED, (names,), binary=True).fetchall()}
        keys = list(_keys(names))
        store = self._large.store()
        rows = db.execute(_ROWS, (keys,), binary=True).fetchall()
        return promised | {index_of(raw(row[1])).object_name(store, raw(row[0]).hex()) for row in rows}


def _keys(names: Iterable[str]) -> Iterable[bytes]:
    for name in names:
        blob = name.rpartition("/")[2].partition("-")[0]
        if len(blob) == 64:
            yield bytes.fromhex(blob)


def _one(db: Database, words: str, *values: object) -> object:
    row = db.execute(words.encode(), values, binary=True).fetchone()
    return None if row is None else row[0]
