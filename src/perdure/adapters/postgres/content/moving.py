"""Bringing blobs that had to be kept here over to the object store, whenever that takes them.

Invariants, so that a process may be killed at any moment, and several may move the same blob:
- killed before the put: the promise stays, and the collector gives it up;
- killed during or after the put: the same name is put again while its promise stands, else another; the blob is read
  from here all the while;
- the row's change, the end of the promise, and the end of the pieces here are one transaction.
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from perdure.adapters.postgres.columns import raw
from perdure.adapters.postgres.content.blobs import OUTSIDE, SPILLED
from perdure.adapters.postgres.content.frames import Index, index_of
from perdure.adapters.postgres.content.large import KEPT, PROMISE, BrokenPromise, LargeBlobs
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import PerdureError
from perdure.values.limits import OBJECT_MOVE_SECONDS

_WAITING = """
SELECT digest, content FROM blobs WHERE form = 3 AND condemned IS NULL AND digest > %s ORDER BY digest LIMIT 1
"""
_PIECES = "SELECT content FROM frames WHERE digest = %s ORDER BY number"
_AGAIN = """
UPDATE puts SET at = (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint
WHERE name = %s AND NOT doomed RETURNING name
"""
_RENAME = "UPDATE blobs SET content = %s WHERE digest = %s AND form = 3 AND content = %s RETURNING size"
_MOVE = "UPDATE blobs SET form = %s WHERE digest = %s AND form = %s AND content = %s RETURNING size"
_FORGET = "DELETE FROM frames WHERE digest = %s"


class Mover:
    """One store object's thread that moves blobs, at its leisure."""

    def __init__(self, readers: Readers, desk: Desk, large: LargeBlobs) -> None:
        """Know where from and where to; nothing is moved yet."""
        self._readers = readers
        self._desk = desk
        self._large = large
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="perdure-mover", daemon=True)

    def begin(self) -> None:
        """From here on all that waits is moved, also what others left."""
        self._thread.start()

    def close(self) -> None:
        """Nothing more is begun; a put under way isn't waited for."""
        self._ended.set()
        self._large.spilled.set()
        if self._thread.is_alive():
            self._thread.join(OBJECT_MOVE_SECONDS)

    def move(self) -> int:
        """Bring over what waits, as long as the object store takes it; return how many came over."""
        moved = 0
        # From anywhere, so that several processes seldom take the same one.
        begin = after = os.urandom(32)
        wrapped = False
        while not self._ended.is_set():
            found = self._waiting(after)
            if found is None or (wrapped and found[0] > begin):
                if wrapped:
                    return moved
                wrapped, after = True, b""
                continue
            after = found[0]
            if not self._large.breaker.admits(time.monotonic()):
                return moved
            with suppress(BrokenPromise):
                done = self._moved(after, index_of(found[1]))
                if done is None:
                    return moved
                moved += done
        return moved

    def _live(self) -> None:
        while not self._ended.is_set():
            self._large.spilled.clear()
            # A server that is away is others' business; a look follows.
            with suppress(PerdureError):
                self.move()
            if self._large.spilled.wait(OBJECT_MOVE_SECONDS) and not self._ended.is_set():
                # What has just failed to go over is tried after the pause that the breaker makes.
                self._ended.wait(OBJECT_MOVE_SECONDS / 10)

    def _waiting(self, after: bytes) -> tuple[bytes, bytes] | None:
        row = self._readers.read(
            "looking for blobs to move", lambda db: db.execute(_WAITING, (after,), binary=True).fetchone()
        )
        return None if row is None else (raw(row[0]), raw(row[1]))

    def _moved(self, key: bytes, seen: Index) -> bool | None:
        """Bring one blob over; False if another does or it is gone, None if the object store doesn't take it."""
        index = self._desk.do("promising an object", lambda db, _: self._promised(db, key, seen))
        if index is None:
            return False
        there = index.object_name(self._large.store(), key.hex())
        pieces = self._pieces(key)
        if len(pieces) != len(index.lengths):
            return False
        if not self._large.put_patiently(there, b"".join(pieces)):
            return None
        return self._desk.do("moving a blob", lambda db, _: _over(db, key, index, there))

    def _promised(self, db: Database, key: bytes, seen: Index) -> Index | None:
        """Within a transaction: the object that the row names is promised; None if the row has changed."""
        store, blob = self._large.store(), key.hex()
        if db.execute(_AGAIN, (seen.object_name(store, blob),)).fetchone() is not None:
            return seen
        index = seen.renamed()
        if db.execute(_RENAME, (index.stored(), key, seen.stored())).fetchone() is None:
            return None
        db.execute(PROMISE, (index.object_name(store, blob),))
        return index

    def _pieces(self, key: bytes) -> Sequence[bytes]:
        rows = self._readers.read(
            "reading a blob to move", lambda db: db.execute(_PIECES, (key,), binary=True).fetchall()
        )
        return [raw(row[0]) for row in rows]


def _over(db: Database, key: bytes, index: Index, there: str) -> bool:
    """Within a transaction: the blob is in the object store and no longer here."""
    if db.execute(_MOVE, (OUTSIDE, key, SPILLED, index.stored())).fetchone() is None:
        return False
    if db.execute(KEPT, (there,)).fetchone() is None:
        raise BrokenPromise(there)
    db.execute(_FORGET, (key,))
    return True
