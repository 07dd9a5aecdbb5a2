"""The store in a PostgreSQL database.

Invariants:
- A process writes all its batches over one connection, in group commits; everything else is a small transaction of
  its own, over a bounded number of connections.
- Reading never waits for writing. Opening an existing store writes nothing.
- A store object belongs to the process that opened it; a forked child opens its own.
"""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import ClassVar, Self

from perdure.adapters import holders
from perdure.adapters.holders import Fate, Proof
from perdure.adapters.postgres.content.blobs import check_blob, is_large, lasts, pack_blob
from perdure.adapters.postgres.content.collecting import Collector
from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.content.large import LargeBlobs
from perdure.adapters.postgres.content.moving import Mover
from perdure.adapters.postgres.content.preparing import Preparing
from perdure.adapters.postgres.failover.beating import Beating
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.outside import OutsideWitness
from perdure.adapters.postgres.fleet.placements import PostgresPlacements
from perdure.adapters.postgres.fleet.processes import recorded, silent_writer
from perdure.adapters.postgres.fleet.roster import PostgresRoster
from perdure.adapters.postgres.following.feed import PostgresFeed
from perdure.adapters.postgres.judging.reading import read_events, read_rows
from perdure.adapters.postgres.judging.remembered import read_claims, read_counters
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.silence import end_silent
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.link.watching import Watch, read_mark
from perdure.adapters.postgres.schema.migrating import prepared
from perdure.adapters.postgres.stats import ServerStats, stats_of
from perdure.adapters.postgres.takeovers import Takeovers
from perdure.adapters.postgres.writing.carrying import PostgresCarrier
from perdure.adapters.postgres.writing.inbox import check_post, put_post, sweeps, waiting_posts
from perdure.adapters.postgres.writing.leases import (
    check_here,
    end_lease,
    grant_lease,
    make_run,
    process_of,
    prove_writers,
    seen_lease,
)
from perdure.adapters.postgres.writing.mail import Mail
from perdure.adapters.postgres.writing.snapshots import latest_snapshot, read_chunk, saving
from perdure.adapters.postgres.writing.writer import Writer
from perdure.log.envelope import Stored
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.garbage import Collected, Tell
from perdure.log.metering import CommitMeter
from perdure.log.port import (
    Appended,
    Batch,
    Holder,
    Lease,
    NewRun,
    ObjectStore,
    Post,
    Remembered,
    RunRow,
)
from perdure.values.errors import PerdureError, StopNow, StoreFailed, TryAgain
from perdure.values.limits import COLLECT_GRACE_SECONDS


def _unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody listens."""


class PostgresStore:
    """All protocols of ``perdure.log.port`` over one database."""

    WRITER: ClassVar[type[Writer]] = Writer
    DESK: ClassVar[type[Desk]] = Desk

    def __init__(
        self,
        dsn: str,
        *,
        create: bool = True,
        proof: Proof = holders.fate,
        setup: Setup | None = None,
        objects: ObjectStore | None = None,
        witness: OutsideWitness | None = None,
    ) -> None:
        """Open the store at ``dsn``; make one if the database holds none and ``create`` says so."""
        self._known = Known(witness, process=process_of(holders.this_holder("")))
        self._dialer = Dialer(dsn, setup or Setup(), self._known)
        self._proof = proof
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._closed = False
        self._tokens: set[str] = set()
        self._ahead: dict[str, bytes] = {}
        prepared(self._dialer, create=create)
        self._mail = Mail()
        self._watch = Watch(self._dialer, beside=self._mail.look)
        self._readers = Readers(self._dialer)
        self._desk = self.DESK(self._readers, self._dialer.setup, self._watch.note)
        self.large = LargeBlobs(self._readers, self._desk, objects)
        self._fence = Fence(self._readers.read("counting sweeps", sweeps), self.get)
        self._mover = None if objects is None else Mover(self._readers, self._desk, self.large)
        self._writer: Writer | None = None
        self._preparing: Preparing | None = None
        self._beating = Beating(self._known, self.borrowed)
        self.takeovers: Takeovers = Takeovers(self._known, self._readers, self._desk)

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
        if self._mover is not None:
            self._mover.close()
        self._beating.close()
        if writer is not None:
            writer.close()
        if self._known.witness is not None:
            self._known.witness.close()
        self._watch.close()
        self._readers.close()
        for token in self._tokens:
            holders.end(token)

    @contextmanager
    def borrowed(self, doing: str) -> Generator[Database]:
        """Lend a connection on which each statement is a transaction; errors are said in perdure's words."""
        with self._readers.borrowed(doing) as db:
            yield db

    @property
    def meter(self) -> CommitMeter:
        """What it has written so far, in numbers."""
        return CommitMeter() if self._writer is None else self._writer.meter

    @property
    def objects_trouble(self) -> str:
        """What the last try of the object store failed with, until one has worked; else empty."""
        return str(self.large.breaker.trouble or "")

    # -- the log -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        try:
            _, preparing = self._writing()
            return preparing.append(batch)
        except PerdureError as error:
            refused: Future[Appended | Remembered] = Future()
            refused.set_exception(error)
            return refused

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        return self._readers.read(
            f"reading {run} after {after}", lambda db: read_events(db, run, after, limit)
        )

    def watch(self, after: int, timeout: float) -> int:
        return self._watch.wait(after, timeout, lambda: self._readers.read("looking for changes", read_mark))

    def post(self, run: str, post: Post) -> bool:
        check_post(post)
        self._check_open()
        if self._ahead:
            # A post goes its own way: what it names must not come after it.
            self.flush()
        new = self._desk.do(
            f"posting to {run}", lambda db, again: put_post(db, run, post, self._fence, again=again)
        )
        self._mail.posted(run)
        return new

    def inbox(self, run: str) -> Sequence[Post]:
        return self._readers.read(f"reading the inbox of {run}", lambda db: waiting_posts(db, run))

    def has_post(self, run: str) -> bool:
        self._watch.begin()
        return self._mail.waits(run)

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        return self._readers.read("listing runs", lambda db: read_rows(db, run, lineage, newest))

    # -- leases --------------------------------------------------------------------------------------

    def create(self, new: NewRun) -> bool:
        self._check_open()

        def make(db: Database, again: bool) -> bool:  # noqa: FBT001 - the desk's way
            made = make_run(db, new, again=again)
            if made and new.parent is not None:
                # After the insert: see ``put_post``.
                check_here(db, new.parent)
            return made

        return self._desk.do(f"making {new.run}", make)

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return self._granted(run, holder, lambda _: take_over)

    def take_from(self, epoch: int, run: str, holder: Holder) -> Lease:
        """See ``perdure.log.placing.SharedStore``."""
        return self._granted(run, holder, lambda now: now == epoch)

    def silent_writer(self, run: str) -> int | None:
        """See ``perdure.log.placing.SharedStore``."""
        return self._readers.read(f"looking who is silent with {run}", lambda db: silent_writer(db, run))

    def _granted(self, run: str, holder: Holder, takes_over: Callable[[int], bool]) -> Lease:
        self._check_open()
        # Alive before anybody can see it: another thread of this process would take it for dead.
        begun = holders.begin(holder.token)
        try:
            lease = self._lease(run, holder, takes_over)
        except BaseException:
            if begun:
                holders.end(holder.token)
            raise
        self._tokens.add(holder.token)
        return lease

    def _lease(self, run: str, holder: Holder, takes_over: Callable[[int], bool]) -> Lease:
        while True:
            seen = self._readers.read(f"looking who holds {run}", lambda db: seen_lease(db, run))
            heard = prove_writers(run, seen, self._fate, holder, take_over=takes_over(seen.epoch))

            lease = self._desk.do(
                f"taking {run}",
                lambda db, again, seen=seen, heard=heard: grant_lease(
                    db, run, seen, heard, holder, self._known, again=again
                ),
                blocked=lambda db: end_silent(db, run, self._dialer.setup.idle_seconds),
            )
            if lease is not None:
                return lease

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        if not ended:
            for row in self.rows(run):
                if row.epoch == epoch and row.holder is not None:
                    # Closing the store doesn't end what still runs.
                    self._tokens.discard(row.holder.token)
        self._desk.do(f"giving {run} back", lambda db, _: end_lease(db, run, epoch, ended=ended))

    def _fate(self, holder: Holder) -> Fate:
        """Return what is proved from here, or was proved elsewhere and written down."""
        fate = self._proof(holder)
        if fate is not Fate.UNKNOWN:
            return fate
        return self._readers.read("looking for a proof", lambda db: recorded(db, holder))

    # -- what is remembered across runs --------------------------------------------------------------

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        return self._readers.read("reading claims", lambda db: read_claims(db, stem, scope))

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        return self._readers.read("reading counters", lambda db: read_counters(db, names))

    # -- blobs ---------------------------------------------------------------------------------------

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        ahead = self._ahead.get(digest)
        if ahead is not None:
            return ahead[start:] if size is None else ahead[start : start + size]
        return self.large.read(digest, start, size)

    def put(self, digest: str, content: bytes) -> None:
        check_blob(digest, content)
        writer, _ = self._writing()
        if self.has(digest):
            return
        if is_large(content):
            self.large.settle(digest, content)
            return
        self._ahead[digest] = content
        try:
            writer.put(pack_blob(digest, content), lambda: self._forget_ahead(digest))
        except PerdureError:
            # Who puts it again must not be told that it is here.
            self._forget_ahead(digest)
            raise

    def has(self, digest: str) -> bool:
        return digest in self._ahead or self._readers.read(
            f"looking for blob {digest}", lambda db: lasts(db, digest)
        )

    def flush(self) -> None:
        self._writing()[0].flush()

    # -- snapshots -----------------------------------------------------------------------------------

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        size = len(manifest) + sum(len(content) for _, content in chunks)
        # A cache that can't be kept is no reason to stop; whoever appends next hears what is wrong.
        with suppress(StopNow, TryAgain):
            self._writing()[0].later(saving(run, position, manifest, chunks), size)

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        return self._readers.read(
            f"looking for a snapshot of {run}", lambda db: latest_snapshot(db, run, at_most)
        )

    def chunk(self, digest: str) -> bytes | None:
        return self._readers.read("reading a snapshot", lambda db: read_chunk(db, digest))

    # -- the store as a whole ------------------------------------------------------------------------

    def suspended(self) -> str | None:
        """Return why no run of this store may be driven, or None."""
        return self.takeovers.suspended()

    def release_store(self, by: str) -> None:
        """``by`` says that this copy is the one that counts, and that nothing is missing from it."""
        self.takeovers.release(by, ())

    def stats(self) -> ServerStats:
        """Return what the store holds, how much room it takes, and how its server is."""
        return self._readers.read("counting", stats_of)

    def carrier(self) -> PostgresCarrier:
        """Return what carries runs out of this store and into it."""
        return PostgresCarrier(self._desk, self._readers)

    def roster(self) -> PostgresRoster:
        """Return what this database knows of other shards."""
        return PostgresRoster(self._desk, self._readers)

    def collect(
        self, *, trial: bool = False, tell: Tell = _unheard, grace_seconds: float = COLLECT_GRACE_SECONDS
    ) -> Collected:
        """What nothing reaches is gone, or waits where somebody may be about to name it; in a trial nothing goes.

        Raises ``BlobMissing`` or ``StoreDamaged`` if what is reached can't be told, before anything goes.
        """
        made = Collector(self._dialer, self._known, self.large, tell, grace_seconds=grace_seconds)
        return made.collect(trial=trial)

    def placements(self) -> PostgresPlacements:
        """Return what says which runs workers are to drive."""
        return PostgresPlacements(self.borrowed)

    def feed(self) -> PostgresFeed:
        """Return the feed of all runs' batches."""
        return PostgresFeed(self.borrowed)

    # -- inside --------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")
        if os.getpid() != self._pid:
            raise StoreFailed("the store was opened by the process that forked this one: open it anew")

    def _writing(self) -> tuple[Writer, Preparing]:
        """Return the writer and who stands before it; both begin with the first use."""
        self._check_open()
        writer, preparing = self._writer, self._preparing
        if writer is not None and preparing is not None:
            return writer, preparing
        with self._guard:
            self._check_open()
            if self._writer is None or self._preparing is None:
                self._writer = self.WRITER(self._dialer, self._known, self._fence, self._watch.note)
                self._beating.begin()
                self._preparing = Preparing(self.large.settle, self._writer.enqueue)
                if self._mover is not None:
                    # Who only reads leaves moving to those who write.
                    self._mover.begin()
            return self._writer, self._preparing

    def _forget_ahead(self, digest: str) -> None:
        self._ahead.pop(digest, None)
