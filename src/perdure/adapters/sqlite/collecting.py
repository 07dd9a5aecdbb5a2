"""Collecting garbage: what nothing reaches is condemned, and taken away once nobody can be about to name it.

Invariants:
- What is unreached is condemned in one transaction, before or with the first of it that goes. So an object of a
  tree that isn't condemned has all that is below it, and half a tree is never taken for a whole one.
- A condemned blob counts as not here for whoever would lean on it; putting it again takes the sentence back.
  So only those who looked before can still name it: none if no other store object leans on blobs
  (``usage``), and after ``COLLECT_GRACE_SECONDS`` none whose recording keeps to its bound.
- Blobs go in the transaction that looked last at what is named, and each such transaction counts as a sweep.
  A writer that sees the count move looks, too, before it names anything (``fence``): whoever slept past its
  bound is refused, and nothing is ever named that is gone.
- A file goes after its row, while no other process can write a row: a crash leaves files without a row, which
  the next collection finds.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from perdure.adapters.sqlite.blobs import FILE, blob_directories, named_by
from perdure.adapters.sqlite.database import ask, ask_one, number, raw, whole
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.heaps import UNREACHED, reached_heap, unreached_heap
from perdure.adapters.sqlite.marking import Marking
from perdure.adapters.sqlite.opening import Opened, close_untouched
from perdure.adapters.sqlite.recovery import mark_unsynced
from perdure.adapters.sqlite.usage import in_use
from perdure.log.garbage import Collected, Heap, Tell, in_all
from perdure.values.errors import Busy, StoreReadOnly
from perdure.values.limits import COLLECT_GRACE_SECONDS

SWEEP_ROWS: Final = 5000
SWEEP_BYTES: Final = 64 << 20
"""What one transaction takes away at most: others wait for it, and it should take no more than a moment."""

_CONDEMN = "INSERT OR IGNORE INTO condemned SELECT b.number, ? FROM blobs b WHERE b.number > ? AND "
_NEWEST = "SELECT max(number) FROM blobs"
_PARDON = """
DELETE FROM condemned WHERE number IN
(SELECT b.number FROM condemned c JOIN blobs b ON b.number = c.number JOIN temp.reached r ON r.digest = b.digest)
"""
_DUE = """
SELECT b.number, b.digest, length(b.content), b.form FROM condemned c JOIN blobs b ON b.number = c.number
WHERE c.at <= ? ORDER BY b.number LIMIT ?
"""
_SWEPT = """
INSERT INTO settings VALUES ('swept', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
"""
_HAS_ROW = "SELECT 1 FROM blobs WHERE digest = ?"
_FREED = "CREATE TEMP TABLE freed (digest BLOB PRIMARY KEY) WITHOUT ROWID"
_IS_FREED = "SELECT 1 FROM temp.freed WHERE digest = ?"

_CLOCK_SLACK_NS: Final = 1_000_000_000
"""File systems take their times from a coarser clock than ours."""


class Collector:
    """One collection, on a connection of its own."""

    def __init__(self, opened: Opened, tell: Tell, *, grace_seconds: float = COLLECT_GRACE_SECONDS) -> None:
        """Collect through ``opened``, which is closed at the end; ``tell`` hears of progress."""
        self._db, self._turnstile, self._places, self._wal_pages_easy = opened
        self._db.set_wal_hook(self._note_wal)
        self._wal_pages = 0
        self._tell = tell
        self._grace_ns = int(grace_seconds * 1e9)
        self._began = time.time_ns()
        self._version = -1
        self._judged = 0
        self._used = False

    def collect(self) -> Collected:
        """What nothing reaches is gone, or condemned where somebody may be about to name it."""
        try:
            found = self._collect()
        except Exception as error:
            self._give_up(error)
            raise said(error, "collecting garbage") from error
        except BaseException:
            self._give_up(None)
            raise
        self._db.close()
        self._turnstile.close()
        return found

    def _collect(self) -> Collected:
        self._db.execute(_FREED)
        self._marks = Marking(self._db, self._places, self._tell)
        self._marks.advance()
        self._begin()
        self._db.execute("COMMIT")
        kept, unreached = reached_heap(self._db, self._places), unreached_heap(self._db, self._places)
        taken = Heap()
        while gone := self._sweep():
            taken = in_all(taken, gone)
            self._tell("blobs taken away", taken.blobs, unreached.blobs)
        freed, strays = self._take_files()
        self._copy_back()
        return Collected(kept, unreached, in_all(taken, freed), strays, self._used, trial=False)

    def _sweep(self) -> Heap | None:
        """Take some of what is due away; None if nothing is."""
        self._begin()
        # Whoever begins to lean on blobs after this look finds them condemned.
        self._used = in_use(self._places.usage)
        until = time.time_ns() - (self._grace_ns if self._used else 0)
        rows: list[tuple[int]] = []
        files: list[tuple[bytes]] = []
        content = 0
        for blob, name, size, form in ask(self._db, _DUE, (until, SWEEP_ROWS)):
            rows.append((whole(blob),))
            content += whole(size)
            if form == FILE:
                files.append((raw(name),))
            if content >= SWEEP_BYTES:
                break
        if rows:
            self._db.executemany("DELETE FROM blobs WHERE number = ?", rows)
            self._db.executemany("DELETE FROM condemned WHERE number = ?", rows)
            self._db.executemany("INSERT OR IGNORE INTO temp.freed VALUES (?)", files)
            self._db.execute(_SWEPT)
            # The numbers of the newest are given out again.
            self._judged = min(self._judged, number(self._db, _NEWEST))
        self._db.execute("COMMIT")
        if self._wal_pages > self._wal_pages_easy:
            # Or the write-ahead log would grow by as much as is taken away, on a disk that may be full.
            self._copy_back()
        return Heap(len(rows), content) if rows else None

    def _begin(self) -> None:
        """Begin a transaction in which the marks are up to date, and what is unreached is condemned, no more."""
        self._turnstile.begin(self._db)
        version = number(self._db, "PRAGMA data_version")
        if version != self._version:
            self._version = version
            self._marks.advance()
            self._db.execute(_PARDON)
            # All of it, however young: an object that isn't condemned has all that is below it.
            self._db.execute(_CONDEMN + UNREACHED, (time.time_ns(), self._judged))
            self._judged = number(self._db, _NEWEST)

    # -- files ---------------------------------------------------------------------------------------

    def _take_files(self) -> tuple[Heap, Heap]:
        """Remove the files that no row names; return those of blobs taken away, and strays."""
        freed, strays = Heap(), Heap()
        for directory in blob_directories(self._places):
            self._turnstile.begin(self._db)
            for file, size in self._without_row(directory):
                file.unlink(missing_ok=True)
                gone = Heap(files=1, file_bytes=size)
                if ask_one(self._db, _IS_FREED, (named_by(file),)) is None:
                    strays = in_all(strays, gone)
                else:
                    freed = in_all(freed, gone)
            self._db.execute("ROLLBACK")
        return freed, strays

    def _without_row(self, directory: Path) -> Iterator[tuple[Path, int]]:
        old = self._began - _CLOCK_SLACK_NS - (self._grace_ns if self._used else 0)
        for file in sorted(directory.iterdir()):
            try:
                name, state = named_by(file), file.stat()
            except FileNotFoundError:
                # It was being written when the directory was listed, and is whole now, under its own name.
                continue
            # A file that is being written has another name until it is whole.
            if ask_one(self._db, _HAS_ROW, (name,)) is None if name else state.st_mtime_ns < old:
                yield file, state.st_size

    def _copy_back(self) -> None:
        with suppress(apsw.BusyError, apsw.LockedError):
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _note_wal(self, _db: object, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _give_up(self, error: Exception | None) -> None:
        """What was not committed is taken back; after a write that failed, nobody syncs as if it hadn't."""
        if isinstance(error, apsw.Error | OSError) and not isinstance(said(error, ""), Busy | StoreReadOnly):
            mark_unsynced(self._places)
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error:
            mark_unsynced(self._places)
        close_untouched(self._db)
        self._turnstile.close()
