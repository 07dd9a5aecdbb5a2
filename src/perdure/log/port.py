"""The port to a store of events.

Invariants that every adapter keeps (``tests/conformance`` proves them, one suite for all):
- One transaction holds a batch whole: events, blobs, claims, counters, and consumed inbox posts.
- It refuses, and writes nothing, if the stream's end or the epoch isn't what the batch expects.
- A batch that was acknowledged is durable on disk; a read never shows one that wasn't.
- Claim keys are unique in the store, for ever.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import msgspec

from perdure.log.envelope import Stored
from perdure.log.events import ClaimSeen, Content, CounterSeen


class ClaimOpened(NamedTuple):
    """Take ``key`` for an effect.

    Refused if any run ever took it, or if a claim of its stem is open, succeeded or partial; what the
    same batch closes counts as closed.
    """

    key: str
    stem: str
    scope: str
    """lineage or tenant within which the identity counts"""
    tool: str
    attempt: int
    position: int
    arguments: str
    loose: str = ""


class ClaimClosed(NamedTuple):
    """Write down how the effect of ``key`` ended ('compensated' included); the last word counts.

    ``Broken`` if nobody opened it.
    """

    key: str
    outcome: str
    result: Content | None = None


class CounterMoved(NamedTuple):
    """Add ``amount`` to a shared counter; refused beyond ``limit``. Giving back is never refused."""

    counter: str
    amount: int
    limit: int


class Batch(NamedTuple):
    """What one decision wants to become durable, all or nothing."""

    run: str
    expected: int
    """position of the stream's last event before this batch"""
    epoch: int
    events: Sequence[Stored]
    blobs: Sequence[tuple[str, bytes]] = ()
    """(digest, content), new or not; the store writes each once"""
    opened: Sequence[ClaimOpened] = ()
    closed: Sequence[ClaimClosed] = ()
    counters: Sequence[CounterMoved] = ()
    consumed: Sequence[str] = ()
    """ids of inbox posts that these events took in; ``Conflict`` if one doesn't wait"""
    status: str | None = None
    """what lists show: 'running', 'waiting', 'finished', 'failed', 'cancelled'; None leaves it and
    ``wake`` as they are"""
    alone: bool = False
    """whether the caller has nothing else to do until this is durable: it may be written in its thread"""
    wake: int | None = None
    """when the run next wants to be driven although nobody posts; ns, None for never"""


class Appended(NamedTuple):
    """The batch is durable; the stream now ends at ``position``."""

    position: int


class Remembered(NamedTuple):
    """Nothing was written: other runs hold these claims, or have used up these counters."""

    claims: Sequence[ClaimSeen]
    counters: Sequence[CounterSeen]


class Post(msgspec.Struct, frozen=True):
    """An input for a run, waiting in its inbox: a fact's kind and body as JSON."""

    id: str
    kind: str
    body: msgspec.Raw
    at: int


class Holder(msgspec.Struct, frozen=True):
    """The process that writes a run, named so that its death can be proved."""

    host: str
    """machine, boot and process namespace"""
    pid: int
    started: str
    """the process's start time as the system gives it"""
    token: str
    """tells writers within one process apart"""


class Lease(NamedTuple):
    """The right to write a run: its epoch, and what is known of earlier writers."""

    epoch: int
    dead: Sequence[int] = ()
    """earlier epochs whose writer is proved to run no more, or released. Each is named to every new
    writer until one that was told has appended: from then on the log itself can say it."""
    alive: Sequence[int] = ()
    """earlier epochs that were not released and whose writer may still run"""
    lost: Sequence[ClaimSeen] = ()
    """claims of this run whose events are gone: the store was restored, or failed over, without them"""


class RunRow(NamedTuple):
    """A run as lists show it."""

    run: str
    lineage: str
    tenant: str
    parent: str | None
    forked_at: int
    position: int
    head: bytes
    epoch: int
    status: str
    holder: Holder | None
    wake: int | None
    created: int


class NewRun(NamedTuple):
    """A run to be made: its lineage, tenant, and the parent it forks from."""

    run: str
    lineage: str
    tenant: str
    at: int
    parent: str | None = None
    forked_at: int = 0


class LogStore(Protocol):
    """Events of all runs; see the module's invariants. Six methods."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        """Make ``batch`` durable; the future is done when it is.

        The future raises ``Fenced`` (also after a release), ``Conflict``, ``UnknownRun``,
        ``BadInput``, ``StoreFailed`` (fatal: nothing more is written), ``StoreReadOnly`` or ``Busy``.
        It can't be cancelled: whoever stops waiting does not take the batch back.
        """
        ...

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        """Return up to ``limit`` events past position ``after``, a fork's prefix included.

        Each is checked against the digest of the one before. An event of the prefix has the name of
        the run that wrote it. Raises ``UnknownRun``, or ``StoreDamaged`` naming run and position.
        """
        ...

    def watch(self, after: int, timeout: float) -> int:
        """Wait until the store has changed past mark ``after`` and return the new mark.

        Returns ``after`` when ``timeout`` seconds pass. Marks are for waiting only; they name
        nothing. ``watch(-1, 0)`` returns the present mark. Changes by other processes count.
        """
        ...

    def post(self, run: str, post: Post) -> bool:
        """Put ``post`` into the run's inbox, durably; False if that id was posted before."""
        ...

    def inbox(self, run: str) -> Sequence[Post]:
        """Return posts that no event has taken in, oldest first."""
        ...

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        """Return the run's row (none if there is no such run), those of one lineage, or all, oldest first.

        With ``newest`` at most so many, the last ones.
        """
        ...


class LeaseStore(Protocol):
    """Who may write which run."""

    def create(self, new: NewRun) -> bool:
        """Make the run; False if the name is taken. Raises ``BadPosition`` for a bad fork point."""
        ...

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        """Give ``holder`` the run under a new epoch, durably.

        Raises ``Held`` if another writer is alive or can't be proved dead, unless ``take_over``;
        ``UnknownRun``; ``Suspended`` if the store was restored and nobody has released it.
        """
        ...

    def has_post(self, run: str) -> bool:
        """Tell the run's holder whether a post may wait, from memory if need be: at once, and a moment late at most.

        Whoever drives many runs asks this of each, several times a second. What waits, ``inbox`` says.
        """
        ...

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        """Give the run back; a stale epoch is ignored.

        ``ended`` False: something of this writer still runs and could send (a tool that hangs in a
        thread), so it counts as dead only once its process is.
        """
        ...


class ClaimStore(Protocol):
    """What is remembered across runs: claims of effect keys and shared counters."""

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        """Return the claims of one stem, or all of one scope, oldest first."""
        ...

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        """Return the shared counters of these names; those never moved are left out."""
        ...


class BlobStore(Protocol):
    """Bytes named by their SHA-256, stored once, compressed. Written through ``Batch.blobs``."""

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        """Return the blob's bytes from ``start``, at most ``size`` of them.

        Raises ``BlobMissing``, or ``StoreDamaged`` if a whole blob doesn't have its digest.
        """
        ...

    def put(self, digest: str, content: bytes) -> None:
        """Store a blob ahead of the event that will name it, durable with or before that event."""
        ...

    def has(self, digest: str) -> bool:
        """Tell whether the blob is here."""
        ...

    def flush(self) -> None:
        """What was put before is durable on disk; raises as ``put`` does."""
        ...


class SnapshotStore(Protocol):
    """Caches of projections; every one can be deleted without loss."""

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        """Keep a snapshot at ``position``; not durable before the next append, and needn't be."""
        ...

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        """Return position and manifest of the newest snapshot not past ``at_most``, forks included."""
        ...

    def chunk(self, digest: str) -> bytes | None:
        """Return a chunk, or None if it was deleted."""
        ...


class ObjectStore(Protocol):
    """Large content outside of the log's database: objects that are made once and never changed.

    Raises ``Busy`` where it can't be reached or doesn't answer in time, and ``StoreFailed`` where it refuses for good.
    """

    def put(self, name: str, content: bytes) -> bool:
        """The object is there, durably; False if it was there before, whose content is left alone."""
        ...

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return the object's bytes from ``start``, at most ``size`` of them. Raises ``BlobMissing``."""
        ...

    def names(self, prefix: str, after: str = "") -> Sequence[tuple[str, int]]:
        """Return names past ``after`` and sizes in order, a bounded page of them; an empty one is the end."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """The objects are gone; those that were not there are no error."""
        ...

    def check(self) -> None:
        """Raise with what to do if objects can't be made, read and deleted here."""
        ...
