"""The store in one SQLite file.

Invariants:
- Whoever writes goes through the writer's thread, and hears back when it is durable.
- Reading never waits for writing. Opening writes nothing: the writer begins with the first write,
  and its first transaction looks whether the files are the original or a copy.
- A store object belongs to the process that opened it; a forked child opens its own.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from perdure.adapters import holders
from perdure.adapters.holders import Proof
from perdure.adapters.sqlite.backup import back_up
from perdure.adapters.sqlite.blobs import (
    check_blob,
    condemns,
    has_blob,
    insert_blob,
    lasts,
    pack_blob,
    read_blob,
    whole_again,
)
from perdure.adapters.sqlite.budget import Meter, Room, forget_budget, room_of, set_budget
from perdure.adapters.sqlite.carrying import SqliteCarrier
from perdure.adapters.sqlite.collecting import Collector
from perdure.adapters.sqlite.compacting import Compacted, compact
from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.feed import SqliteFeed
from perdure.adapters.sqlite.heaps import tried
from perdure.adapters.sqlite.identity import (
    Seal,
    doubt_of,
    next_generation,
    read_seal,
    read_witness,
    release_runs,
    set_witness,
    suspend_runs,
)
from perdure.adapters.sqlite.inbox import check_post, put_post, waiting_posts
from perdure.adapters.sqlite.layout import Places, Setup
from perdure.adapters.sqlite.leases import (
    PastWriter,
    Seen,
    end_lease,
    grant_lease,
    make_run,
    prove_writers,
    seen_lease,
)
from perdure.adapters.sqlite.opening import make_store, open_for_writing, open_reader
from perdure.adapters.sqlite.readers import Readers
from perdure.adapters.sqlite.reading import read_events, read_rows
from perdure.adapters.sqlite.remembered import read_claims, read_counters
from perdure.adapters.sqlite.snapshots import forget_snapshots, latest_snapshot, read_chunk, save_snapshot
from perdure.adapters.sqlite.stats import StoreStats, stats_of
from perdure.adapters.sqlite.usage import Use
from perdure.adapters.sqlite.watching import Watch
from perdure.adapters.sqlite.writer import Writer
from perdure.log.envelope import Stored
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.garbage import Collected, Tell
from perdure.log.port import Appended, Batch, Holder, Lease, NewRun, Post, Remembered, RunRow
from perdure.values.errors import PerdureError, StopNow, StoreFailed, Suspended, TryAgain
from perdure.values.limits import BLOB_IN_STORE_BYTES_MAX, COLLECT_GRACE_SECONDS


def _unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody listens."""


class SqliteStore:
    """All protocols of ``perdure.log.port`` over one directory."""

    def __init__(
        self,
        directory: str | Path,
        *,
        create: bool = True,
        proof: Proof = holders.fate,
        setup: Setup | None = None,
    ) -> None:
        """Open the store in ``directory``; make one if there is none and ``create`` says so."""
        self._places = Places(Path(directory))
        self._setup = setup or Setup()
        self._proof = proof
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._writer: Writer | None = None
        self._closed = False
        self._tokens: set[str] = set()
        self._ahead: dict[str, bytes] = {}
        self._use = Use(self._places.usage)
        self._leaned = False
        self._meter = Meter(self.room, lambda: sum(map(len, tuple(self._ahead.values()))))
        if create and not self._places.log.exists():
            make_store(self._places, self._setup)
        with suppress(OSError):
            self._use.begin(make=False)
        self._readers = Readers(self._places, self._setup)
        with self._readers.borrowed("looking at the tables") as db:
            self._condemns = condemns(db)
        self._watch = Watch(open_reader(self._places, self._setup))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued and end: this store's holders write nothing any more."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            writer = self._writer
        # The last connection to close copies the write-ahead log back, and only a writing one can.
        self._watch.close()
        self._readers.close()
        if writer is not None:
            writer.close()
        self._use.end()
        for token in self._tokens:
            holders.end(token)

    # -- the log -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        try:
            return self._leaning().append(batch)
        except PerdureError as error:
            refused: Future[Appended | Remembered] = Future()
            refused.set_exception(error)
            return refused

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        with self._readers.borrowed(f"reading {run} after {after}") as db:
            return read_events(db, run, after, limit)

    def watch(self, after: int, timeout: float) -> int:
        return self._watch.wait(after, timeout)

    def post(self, run: str, post: Post) -> bool:
        check_post(post)
        writer = self._writing()

        def put(db: Database) -> bool:
            writer.fence.check_post(run, post)
            return put_post(db, run, post)

        return writer.do(put)

    def inbox(self, run: str) -> Sequence[Post]:
        with self._readers.borrowed(f"reading the inbox of {run}") as db:
            return waiting_posts(db, run)

    def has_post(self, run: str) -> bool:
        return bool(self.inbox(run))

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        with self._readers.moment("listing runs") as db:
            return read_rows(db, run, lineage, newest)

    # -- leases --------------------------------------------------------------------------------------

    def create(self, new: NewRun) -> bool:
        return self._writing().do(lambda db: make_run(db, new))

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        writer = self._writing()
        while True:
            with self._readers.moment(f"looking who holds {run}") as db:
                seen = seen_lease(db, run)
            heard = prove_writers(run, seen, self._proof, holder, take_over=take_over)
            granted = writer.do(lambda db, seen=seen, heard=heard: self._grant(db, run, seen, heard, holder))
            if granted is not None:
                lease, generation = granted
                set_witness(self._places, generation)
                return lease

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        if not ended:
            for row in self.rows(run):
                if row.epoch == epoch and row.holder is not None:
                    # Closing the store doesn't end what still runs.
                    self._tokens.discard(row.holder.token)
        self._writing().do(lambda db: end_lease(db, run, epoch, ended=ended))

    def _grant(
        self, db: Database, run: str, seen: Seen, heard: tuple[PastWriter, ...], holder: Holder
    ) -> tuple[Lease, int] | None:
        why = read_seal(db).suspended
        if why is not None:
            raise Suspended(f"{run} may not be driven: {why}")
        lease = grant_lease(db, run, seen, heard, holder)
        if lease is None:
            return None
        self._tokens.add(holder.token)
        holders.begin(holder.token)
        return lease, next_generation(db)

    # -- what is remembered across runs --------------------------------------------------------------

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        with self._readers.moment("reading claims") as db:
            return read_claims(db, stem, scope)

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        with self._readers.moment("reading counters") as db:
            return read_counters(db, names)

    # -- blobs ---------------------------------------------------------------------------------------

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        ahead = self._ahead.get(digest)
        if ahead is not None:
            return ahead[start:] if size is None else ahead[start : start + size]
        with self._readers.borrowed(f"reading blob {digest}") as db:
            return read_blob(db, self._places, digest, start, size)

    def put(self, digest: str, content: bytes) -> None:
        check_blob(digest, content)
        writer = self._leaning()
        if self.has(digest):
            return
        self._meter.take(len(content))
        blob = pack_blob(self._places, digest, content)
        if len(content) > BLOB_IN_STORE_BYTES_MAX:
            writer.do(lambda db: insert_blob(db, whole_again(self._places, blob, content)))
            return
        self._ahead[digest] = content
        writer.later(lambda db: insert_blob(db, blob), len(content), lambda: self._forget_ahead(digest))

    def has(self, digest: str) -> bool:
        if digest in self._ahead:
            return True
        self._leaned = True
        with self._readers.borrowed(f"looking for blob {digest}") as db:
            return lasts(db, digest) if self._condemns else has_blob(db, digest)

    def flush(self) -> None:
        self._writing().do(lambda _db: None)

    # -- snapshots -----------------------------------------------------------------------------------

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        size = len(manifest) + sum(len(content) for _, content in chunks)
        # A cache that can't be kept is no reason to stop; whoever appends next hears what is wrong.
        with suppress(StopNow, TryAgain):
            self._writing().later(lambda db: save_snapshot(db, run, position, manifest, chunks), size)

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        with self._readers.borrowed(f"looking for a snapshot of {run}") as db:
            return latest_snapshot(db, run, at_most)

    def chunk(self, digest: str) -> bytes | None:
        with self._readers.borrowed("reading a snapshot") as db:
            return read_chunk(db, digest)

    def carrier(self) -> SqliteCarrier:
        """Return what carries runs out of this store and into it."""
        return SqliteCarrier(self._readers.moment, self._writing)

    def feed(self) -> SqliteFeed:
        """Return the feed of all runs."""
        return SqliteFeed(self._readers.moment, self._writing)

    # -- the store as a whole ------------------------------------------------------------------------

    def suspended(self) -> str | None:
        """Return why no run of this store may be driven, or None."""
        return self._sealed()[1]

    def release_store(self, by: str) -> None:
        """``by`` says that this copy is the one that counts; its runs may be driven from here on.

        Claims that were made after the copy are missing from it: first see that the other one is gone.
        """
        seen = read_witness(self._places)
        set_witness(self._places, self._writing().do(lambda db: release_runs(db, self._places, by, seen)))

    def backup(self, target: str | Path) -> None:
        """There is a consistent copy at ``target``; it opens with its runs suspended."""
        with self._readers.borrowed(f"backing up to {target}") as db:
            back_up(db, self._places, self._setup, Path(target))

    def stats(self) -> StoreStats:
        """Return what the store holds and how much room it takes."""
        seal, suspended = self._sealed()
        with self._readers.borrowed("counting") as db:
            return stats_of(db, self._places, seal, suspended)

    def room(self) -> Room:
        """Return what the store takes on disk, and what it may take."""
        with self._readers.borrowed("measuring") as db:
            return room_of(db, self._places)

    def set_budget(self, budget: int | None) -> None:
        """The store may take ``budget`` bytes; None: as many as there are."""
        self._writing().do(lambda db: set_budget(db, budget))

    def forget_budget(self) -> None:
        """The store may take what a store may that nobody said anything of."""
        self._writing().do(forget_budget)

    def collect(
        self, *, trial: bool = False, tell: Tell = _unheard, grace_seconds: float = COLLECT_GRACE_SECONDS
    ) -> Collected:
        """What nothing reaches is gone, or waits where somebody may be about to name it; in a trial nothing goes.

        Raises ``BlobMissing`` or ``StoreDamaged`` if what is reached can't be told, before anything goes.
        """
        if not trial:
            self._writing()
        if not self._leaned:
            self._use.end()
        try:
            if trial:
                with self._readers.fresh("looking for garbage") as db:
                    return tried(db, self._places, tell, grace_seconds)
            opened = open_for_writing(self._places, self._setup)
            return Collector(opened, tell, grace_seconds=grace_seconds).collect()
        finally:
            with suppress(OSError):
                self._use.begin(make=False)

    def compact(self) -> Compacted:
        """The log's file holds no free pages any more. Raises ``BadInput`` if there is no room for that, ``Busy``."""
        self._writing()
        return compact(open_for_writing(self._places, self._setup), self._setup)

    def forget_snapshots(self) -> None:
        """Empty the caches; the next reader folds from the beginning."""
        self._writing().do(forget_snapshots)

    def _sealed(self) -> tuple[Seal, str | None]:
        # The witness first: it may lag behind the log, and must not seem to run ahead of it.
        seen = read_witness(self._places)
        with self._readers.borrowed("reading whose store this is") as db:
            seal = read_seal(db)
        return seal, doubt_of(seal, self._places, seen)

    # -- inside --------------------------------------------------------------------------------------

    def _writing(self) -> Writer:
        """Return the writer; its first transaction settles whether this is the original."""
        writer = self._writer
        if writer is not None and not self._closed and os.getpid() == self._pid:
            return writer
        with self._guard:
            if self._closed:
                raise StoreFailed("the store is closed")
            if os.getpid() != self._pid:
                raise StoreFailed("the store was opened by the process that forked this one: open it anew")
            if self._writer is None:
                self._writer = self._begin_writing()
            return self._writer

    def _leaning(self) -> Writer:
        """Return the writer; from here on this store object leans on blobs."""
        self._leaned = True
        return self._writing()

    def _begin_writing(self) -> Writer:
        self._use.begin()
        writer = Writer(open_for_writing(self._places, self._setup), self._watch.note)
        self._condemns = True
        seen = read_witness(self._places)

        def settle(db: Database) -> int:
            why = doubt_of(read_seal(db), self._places, seen)
            if why is not None:
                suspend_runs(db, why)
            return next_generation(db)

        try:
            set_witness(self._places, writer.do(settle))
        except PerdureError:
            writer.close()
            raise
        return writer

    def _forget_ahead(self, digest: str) -> None:
        self._ahead.pop(digest, None)
