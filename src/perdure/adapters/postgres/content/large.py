"""Large blobs: packed in pieces and put into the object store, or kept here until that takes them.

Invariants:
- An object is promised in ``puts``, durably, before it is put; it is put before the blob's row says that it is there;
  the row and the end of the promise are one transaction. So a process that is killed at any moment leaves a promise,
  which the collector finds, and never a row without its object.
- A promise that is gone can't be kept: the collector may be deleting the object. The blob is kept here then.
- Nobody leans on a condemned object: where the database was put back to an earlier moment, it may be gone already,
  taken away after that moment. Whoever needs the blob puts it anew. The old object stands as promised from then on:
  a backup may need it, and so it stays as long as any that nothing reaches.
- Nobody waits for the object store longer than ``OBJECT_PUT_SECONDS`` and what the size takes; whoever has waited
  in vain makes the next ones not wait at all for a while.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from perdure.adapters.postgres.columns import raw
from perdure.adapters.postgres.content.blobs import (
    OUTSIDE,
    SPILLED,
    Packed,
    check_blob,
    checked_part,
    find_blob,
    small_part,
)
from perdure.adapters.postgres.content.breaker import Breaker
from perdure.adapters.postgres.content.frames import FrameSpan, Index, cut, index_of, part_of, span_of, split
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.port import ObjectStore
from perdure.values.errors import BlobMissing, Busy, ObjectsAway, ObjectsRefused, PerdureError, StoreDamaged
from perdure.values.limits import OBJECT_PUT_BYTES_PER_SECOND, OBJECT_PUT_SECONDS, OBJECT_PUTS_TOGETHER

READS_MAX: Final = 4
"""A blob moves from here to the object store once; a collector and a new put may move it once more."""

PROMISE: Final = """
INSERT INTO puts (name, at) VALUES (%s, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint)
ON CONFLICT DO NOTHING
"""
"""All processes write and judge promises by the server's clock."""

KEPT: Final = "DELETE FROM puts WHERE name = %s AND NOT doomed RETURNING name"
_INSERT: Final = """
INSERT INTO blobs (digest, size, form, content) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING size
"""
_PARDON: Final = "UPDATE blobs SET condemned = NULL WHERE digest = %s AND form <> 2 RETURNING content"
_ANEW: Final = """
UPDATE blobs b SET form = %s, content = %s, condemned = NULL
FROM (SELECT digest, content FROM blobs WHERE digest = %s AND form = 2 AND condemned IS NOT NULL FOR UPDATE) was
WHERE b.digest = was.digest RETURNING was.content
"""
_FRAME: Final = "INSERT INTO frames (digest, number, content) VALUES (%s, %s, %s)"
_FRAMES: Final = """
SELECT content FROM frames WHERE digest = %s AND number BETWEEN %s AND %s ORDER BY number
"""


class BrokenPromise(Exception):
    """The collector has given up an object that was promised."""


class LargeBlobs:
    """What one store object does about large blobs."""

    def __init__(self, readers: Readers, desk: Desk, objects: ObjectStore | None) -> None:
        """Keep large content in ``objects``, or here where there are none."""
        self._readers = readers
        self._desk = desk
        self.objects = objects
        self.breaker = Breaker()
        self.spilled = threading.Event()
        """set when something waits here for the object store"""
        self._slots = threading.Semaphore(OBJECT_PUTS_TOGETHER)
        self._store = ""

    # -- writing -------------------------------------------------------------------------------------

    def settle(self, name: str, content: bytes) -> None:
        """The blob is here, durably, and isn't condemned; an event may name it."""
        check_blob(name, content)
        key = bytes.fromhex(name)
        if self._desk.do(f"looking for blob {name}", lambda db, _: _pardoned(db, key)) is not None:
            return
        index, frames = cut(content)
        if self.objects is not None and self.breaker.admits(time.monotonic()):
            try:
                if self._place(name, len(content), index, frames):
                    return
            except BrokenPromise:
                index = index.renamed()
        row, store = Packed(key, len(content), SPILLED, index.stored()), self.store()
        self._desk.do(f"keeping blob {name}", lambda db, _: _spill(db, row, frames, store))
        self.spilled.set()

    def _place(self, name: str, size: int, index: Index, frames: Sequence[bytes]) -> bool:
        """Put the blob into the object store, then write its row; False if the object store didn't take it in time."""
        store = self.store()
        there = index.object_name(store, name)
        self.promise(there)
        if not self.put_within(there, b"".join(frames)):
            return False
        row = Packed(bytes.fromhex(name), size, OUTSIDE, index.stored())
        self._desk.do(f"writing the row of blob {name}", lambda db, _: _enter(db, row, there, store))
        return True

    def promise(self, there: str) -> None:
        """The object is promised: from here on it may be put."""
        self._desk.do(f"promising {there}", lambda db, _: db.execute(PROMISE, (there,)) and None)

    def put_within(self, there: str, content: bytes) -> bool:
        """Put an object, waiting no longer than is right for its size; False if it isn't known to be there by then."""
        objects, seconds = self.objects, OBJECT_PUT_SECONDS + len(content) / OBJECT_PUT_BYTES_PER_SECOND
        until = time.monotonic() + seconds
        if objects is None or not self._slots.acquire(timeout=seconds):
            return False
        answer: Future[bool] = Future()

        def put() -> None:
            try:
                answer.set_result(objects.put(there, content))
            except BaseException as error:  # noqa: BLE001 - whoever waits raises it
                answer.set_exception(error)
            finally:
                self._slots.release()

        # Of its own, and not waited for at the end: it may hang in a request for longer than anybody waits.
        threading.Thread(target=put, name="perdure-put", daemon=True).start()

        def taken() -> bool:
            try:
                return answer.result(max(0.0, until - time.monotonic()))
            except TimeoutError as error:
                raise ObjectsAway(f"{there}: not taken within {seconds:.1f} s") from error

        return self._heard(taken)

    def put_patiently(self, there: str, content: bytes) -> bool:
        """Put an object, waiting as long as its requests may take; False if it isn't known to be there then."""
        objects = self.objects
        return objects is not None and self._heard(lambda: objects.put(there, content))

    def _heard(self, put: Callable[[], bool]) -> bool:
        """Tell whether ``put`` worked, and let the breaker know."""
        try:
            # Whether it was there before doesn't matter: of one name there is one content.
            put()
        except PerdureError as error:
            self.breaker.failed(time.monotonic(), error)
            return False
        self.breaker.worked()
        return True

    def store(self) -> str:
        """Return the store's own name, under which all its objects lie."""
        if not self._store:
            with self._readers.borrowed("reading whose store this is") as db:
                row = db.execute("SELECT id FROM store", binary=True).fetchone()
            self._store = str(row[0]) if row is not None else ""
        return self._store

    # -- reading -------------------------------------------------------------------------------------

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return a part of any blob, large or small, or all of it."""
        missing: BlobMissing | None = None
        seen: Packed | None = None
        for _ in range(READS_MAX):
            blob = self._readers.read(f"reading blob {name}", lambda db: find_blob(db, name))
            if blob is None:
                raise BlobMissing(f"blob {name} is not in this store")
            if missing is not None and blob == seen:
                raise missing
            end = blob.size if size is None else min(blob.size, start + size)
            if start >= end:
                return b""
            try:
                return checked_part(blob, start, end, self._part(blob, start, end))
            except BlobMissing as error:
                # It has moved since its row was read, or is gone.
                missing, seen = error, blob
            except StoreDamaged as error:
                raise StoreDamaged(f"blob {name}: {error}", hint=error.hint) from error
        raise missing or BlobMissing(f"blob {name} is not in this store")

    def _part(self, blob: Packed, start: int, end: int) -> bytes:
        if blob.form not in (OUTSIDE, SPILLED):
            return small_part(blob, start, end)
        index = index_of(blob.content)
        span = span_of(index, start, end)
        frames = self._outside(blob, index, span) if blob.form == OUTSIDE else self._frames(blob, span)
        return part_of(index, span, frames, start, end)

    def _outside(self, blob: Packed, index: Index, span: FrameSpan) -> list[bytes]:
        if self.objects is None:
            raise ObjectsRefused(
                f"blob {blob.digest.hex()} lies in an object store, and none was named",
                hint="open the store by its .toml file, with the [objects] that it was written with",
            )
        there = index.object_name(self.store(), blob.digest.hex())
        return split(index, span, self.objects.get(there, span.offset, span.size))

    def _frames(self, blob: Packed, span: FrameSpan) -> list[bytes]:
        words = (blob.digest, span.first, span.last)
        rows = self._readers.read(
            "reading a blob", lambda db: db.execute(_FRAMES, words, binary=True).fetchall()
        )
        if len(rows) != span.last - span.first + 1:
            raise BlobMissing(f"blob {blob.digest.hex()}: pieces of it are gone")
        return [raw(row[0]) for row in rows]


def _pardoned(db: Database, key: bytes) -> bytes | None:
    """Within a transaction: return the row's content if there is one to lean on, which isn't condemned any more."""
    row = db.execute("SELECT content FROM blobs WHERE digest = %s AND condemned IS NULL", (key,), binary=True)
    found = row.fetchone() or db.execute(_PARDON, (key,), binary=True).fetchone()
    return None if found is None else raw(found[0])


def _takes(db: Database, row: Packed, store: str) -> bool:
    """Within a transaction: the row stands for its blob, for which there was none, or one whose object is condemned."""
    if db.execute(_INSERT, row, binary=True).fetchone() is not None:
        return True
    was = db.execute(_ANEW, (row.form, row.content, row.digest), binary=True).fetchone()
    if was is None:
        return False
    db.execute(PROMISE, (index_of(raw(was[0])).object_name(store, row.digest.hex()),))
    return True


def _enter(db: Database, row: Packed, there: str, store: str) -> None:
    """Within a transaction: the row says that the object is there, if it was still promised."""
    if _takes(db, row, store):
        if db.execute(KEPT, (there,)).fetchone() is None:
            raise BrokenPromise(there)
        return
    # Ours, if the answer to the first attempt was lost; else another's, and our object stays promised until the
    # collector takes it.
    if _pardoned(db, row.digest) is None:
        raise Busy(f"blob {row.digest.hex()} was taken away while it was put: try again")


def _spill(db: Database, row: Packed, frames: Sequence[bytes], store: str) -> None:
    """Within a transaction: the blob is kept here."""
    if _takes(db, row, store):
        with db.cursor() as cursor:
            cursor.executemany(_FRAME, [(row.digest, number, frame) for number, frame in enumerate(frames)])
    elif _pardoned(db, row.digest) is None:
        raise Busy(f"blob {row.digest.hex()} was taken away while it was put: try again")
