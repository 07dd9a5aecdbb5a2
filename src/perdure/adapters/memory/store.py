"""The store in memory. One lock, plain dicts; nothing survives the process.

Invariants: those of ``perdure.log.port``, except that durable means "as long as this object".
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from perdure.adapters import holders
from perdure.adapters.holders import Proof
from perdure.adapters.memory.carrying import MemoryCarrier
from perdure.adapters.memory.lease import give_back, grant
from perdure.adapters.memory.shelf import Shelf, admitted, check_blob, make, write
from perdure.log.carrying import check_moved
from perdure.log.envelope import Stored
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.port import Appended, Batch, Holder, Lease, NewRun, Post, Remembered, RunRow
from perdure.values.errors import BadInput, BlobMissing, PerdureError, StoreFailed
from perdure.values.limits import INBOX_BYTES_MAX


class MemoryStore:
    """All protocols of ``perdure.log.port``, in memory."""

    def __init__(self, *, proof: Proof = holders.fate) -> None:
        """Begin empty. ``proof`` says what is known of another writer's life."""
        self._changed = threading.Condition()
        self._shelf = Shelf()
        self._proof = proof
        self._tokens: set[str] = set()
        self._mark = 0
        self._closed = False
        self._carrier = MemoryCarrier(self._shelf, self._changed)

    def close(self) -> None:
        """End: this store's holders write nothing any more."""
        with self._changed:
            self._closed = True
            for token in self._tokens:
                holders.end(token)
            self._changed.notify_all()

    # -- the log -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        answer: Future[Appended | Remembered] = Future()
        with self._changed:
            try:
                self._check_open()
                remembered = admitted(self._shelf, batch)
                result = remembered or Appended(write(self._shelf, batch))
            except PerdureError as error:
                answer.set_exception(error)
                return answer
            self._note_change()
        answer.set_result(result)
        return answer

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        with self._changed:
            record = self._shelf.record(run)
            end = min(record.position, after + limit)
            found: list[Stored] = []
            while end > after:
                first = record.new.forked_at + 1
                if end >= first:
                    found[:0] = record.events[max(after + 1 - first, 0) : end - first + 1]
                    end = first - 1
                if record.new.parent is None:
                    break
                record = self._shelf.record(record.new.parent)
            return found

    def watch(self, after: int, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._mark <= after and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return max(self._mark, after)

    def post(self, run: str, post: Post) -> bool:
        if len(post.body) > INBOX_BYTES_MAX:
            raise BadInput(f"post {post.id!r}: {len(post.body)} bytes; at most {INBOX_BYTES_MAX}")
        with self._changed:
            self._check_open()
            record = self._shelf.record(run)
            check_moved(run, record.holder)
            if post.id in record.posted:
                return False
            record.posted.add(post.id)
            record.pending[post.id] = post
            self._note_change()
            return True

    def inbox(self, run: str) -> Sequence[Post]:
        with self._changed:
            return list(self._shelf.record(run).pending.values())

    def has_post(self, run: str) -> bool:
        return bool(self.inbox(run))

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        with self._changed:
            rows = [record.row() for name, record in self._shelf.runs.items() if run in (None, name)]
        found = [row for row in rows if lineage in (None, row.lineage)]
        return found if newest is None else found[max(len(found) - newest, 0) :]

    # -- leases --------------------------------------------------------------------------------------

    def create(self, new: NewRun) -> bool:
        with self._changed:
            self._check_open()
            if new.parent is not None and new.run not in self._shelf.runs:
                check_moved(new.parent, self._shelf.record(new.parent).holder)
            made = make(self._shelf, new)
            if made:
                self._note_change()
            return made

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        with self._changed:
            self._check_open()
            lease = grant(self._shelf.record(run), holder, self._proof, take_over=take_over)
            self._tokens.add(holder.token)
            holders.begin(holder.token)
            self._note_change()
            return lease

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        with self._changed:
            give_back(self._shelf.record(run), epoch, ended=ended)
            self._note_change()

    # -- what is remembered across runs --------------------------------------------------------------

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        with self._changed:
            return [
                claim.seen
                for claim in self._shelf.claims.values()
                if (stem is None or claim.seen.stem == stem) and (scope is None or claim.scope == scope)
            ]

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        with self._changed:
            used = self._shelf.counters
            return [CounterSeen(name, used[name]) for name in names if name in used]

    # -- blobs ---------------------------------------------------------------------------------------

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        with self._changed:
            content = self._shelf.blobs.get(digest)
        if content is None:
            raise BlobMissing(f"blob {digest} is not in this store")
        return content[start:] if size is None else content[start : start + size]

    def put(self, digest: str, content: bytes) -> None:
        check_blob(digest, content)
        with self._changed:
            self._check_open()
            self._shelf.blobs.setdefault(digest, content)

    def has(self, digest: str) -> bool:
        with self._changed:
            return digest in self._shelf.blobs

    def flush(self) -> None:
        with self._changed:
            self._check_open()

    # -- snapshots -----------------------------------------------------------------------------------

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        with self._changed:
            self._shelf.record(run).snapshots[position] = manifest
            self._shelf.chunks.update(chunks)

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        with self._changed:
            record = self._shelf.record(run)
            while True:
                positions = [position for position in record.snapshots if position <= at_most]
                if positions:
                    return max(positions), record.snapshots[max(positions)]
                if record.new.parent is None:
                    return None
                at_most = min(at_most, record.new.forked_at)
                record = self._shelf.record(record.new.parent)

    def chunk(self, digest: str) -> bytes | None:
        with self._changed:
            return self._shelf.chunks.get(digest)

    def carrier(self) -> MemoryCarrier:
        """Return what carries runs out of this store and into it."""
        return self._carrier

    # -- inside --------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")

    def _note_change(self) -> None:
        self._mark += 1
        self._changed.notify_all()
