"""The one writer of a store: whatever waits shares one transaction and one sync.

Writing happens in a thread of its own, so that a slow disk holds up nobody who has something else to
do. A caller who has nothing else to do (``Batch.alone``) writes in its own thread where nobody else is
writing: two hand-overs between threads cost more than a fast disk's sync.

Invariants:
- Answers are given after the commit that makes them true, in the order of the calls.
- Each batch is looked at before it is written, so a refused one leaves no trace in the transaction.
- A failed write is final. Nothing is tried again after a sync that failed: the system may report the
  second one as good without having written anything. Everything queued, and all that comes, fails.
- Work that nobody waits for (blobs ahead of their event, snapshots) goes with the next transaction.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

import apsw

from perdure.adapters.sqlite.batch import INSERT_EVENT, refusal, write_batch
from perdure.adapters.sqlite.blobs import Packed, check_blob, lasts, pack_blob, whole_again
from perdure.adapters.sqlite.database import Database, Row
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.fence import Fence
from perdure.adapters.sqlite.heads import Heads
from perdure.adapters.sqlite.layout import LAZY_BYTES_MAX, WAL_HARD
from perdure.adapters.sqlite.opening import Opened, close_untouched
from perdure.adapters.sqlite.recovery import mark_unsynced
from perdure.log.port import Appended, Batch, Remembered
from perdure.values.errors import Busy, PerdureError, StoreDamaged, StoreFailed, StoreReadOnly
from perdure.values.limits import GROUP_BATCHES_MAX

T = TypeVar("T")

Verb = Callable[[Database], T]
"""Work within the transaction; it raises ``PerdureError`` only before its first write."""


class Append(NamedTuple):
    """A batch on its way, and who waits for it."""

    batch: Batch
    answer: "Future[Appended | Remembered]"


class Task(NamedTuple):
    """A verb on its way; ``run`` leaves its result with whoever waits."""

    run: Callable[[Database], Callable[[], None]]
    fail: Callable[[Exception], None]


class Later(NamedTuple):
    """Work that nobody waits for; ``done`` is called when it is durable."""

    verb: Callable[[Database], None]
    done: Callable[[], None]


def _nothing(_db: Database) -> Callable[[], None]:
    return _heard


def _heard() -> None:
    """Nobody waits for this answer."""


def _unheard(_error: Exception) -> None:
    """Nobody waits for this failure; whoever comes next learns of it."""


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, opened: Opened, committed: Callable[[], None]) -> None:
        """Begin to write; ``committed`` is called after each commit."""
        self._db, self._turnstile, self._places, self._wal_pages_easy = opened
        self._committed = committed
        self._heads = Heads(self._db)
        self.fence = Fence(self._db, self._places)
        self._queue: queue.SimpleQueue[Append | Task | None] = queue.SimpleQueue()
        self._later: deque[Later] = deque()
        self._later_bytes = 0
        self._failure: PerdureError | None = None
        self._ended = False
        self._wal_pages = 0
        self._turn = threading.Lock()
        """held by the thread that writes"""
        self._db.set_wal_hook(self._note_wal)
        self._thread = threading.Thread(target=self._live, name="perdure-writer", daemon=True)
        self._thread.start()

    # -- for any thread ------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        """Queue ``batch``; the future is done when it is durable, and can't be cancelled."""
        answer: Future[Appended | Remembered] = Future()
        answer.set_running_or_notify_cancel()
        work = Append(batch, answer)
        if not (batch.alone and self._write_here(work)):
            self._put(work)
        return answer

    def _write_here(self, work: Append) -> bool:
        """Write ``work`` in the calling thread if nobody else writes or waits; tell whether it was."""
        if not self._queue.empty() or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._ended:
                return False
            self._together((work,))
        finally:
            self._turn.release()
        if self._wal_pages >= self._wal_pages_easy:
            # Copying it back takes its time, which is the thread's.
            self._put(Task(_nothing, _unheard))
        return True

    def do(self, verb: "Verb[T]") -> T:
        """Run ``verb`` in a transaction and return its result when that is durable."""
        answer: Future[T] = Future()

        def run(db: Database) -> Callable[[], None]:
            result = verb(db)
            return lambda: answer.set_result(result)

        self._put(Task(run, answer.set_exception))
        return answer.result()

    def later(self, verb: Callable[[Database], None], size: int, done: Callable[[], None] = _heard) -> None:
        """Run ``verb`` in the next transaction; at the latest when too much has gathered."""
        if self._failure is not None:
            raise StoreFailed(str(self._failure))
        self._later.append(Later(verb, done))
        self._later_bytes += size
        if self._later_bytes > LAZY_BYTES_MAX:
            self._later_bytes = 0
            self._put(Task(_nothing, _unheard))

    def close(self) -> None:
        """Write what is queued, copy the write-ahead log into the file, and end."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, work: Append | Task) -> None:
        self._queue.put(work)
        if self._ended:
            # The thread looked at the queue for the last time after it said so.
            self._refuse_queued()

    # -- in the thread -------------------------------------------------------------------------------

    def _live(self) -> None:
        going = True
        while going:
            works, going = self._gathered()
            with self._turn:
                if works or self._later:
                    self._together(works)
                self._copy_back()
        with self._turn:
            self._end()

    def _gathered(self) -> tuple[list[Append | Task], bool]:
        """Wait for work and return all there is, and whether more may come."""
        works: list[Append | Task] = []
        work = self._queue.get()
        while work is not None:
            works.append(work)
            if len(works) >= GROUP_BATCHES_MAX:
                return works, True
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return works, True
        return works, False

    def _together(self, works: Sequence[Append | Task]) -> None:
        """Write ``works`` in one transaction, and answer each."""
        if self._failure is not None:
            self._refuse(works, self._failure)
            return
        try:
            packed = [self._packed(work) for work in works]
            self._turnstile.begin(self._db)
        except BaseException as error:
            self._give_up(works, said(error, "writing to the store"))
            if not isinstance(error, Exception):
                raise
            return
        answers: list[Callable[[], None]] = []
        before = self._db.total_changes()
        try:
            (self.fence.look if self._heads.refresh() else self.fence.rest)()
            self._write_later(answers)
            self._write_all(works, packed, answers)
            self._db.execute("COMMIT")
        except BaseException as error:
            self._fail(works, said(error, "writing to the store"))
            if not isinstance(error, Exception):
                # Someone interrupts the thread that writes for itself; the transaction was taken back.
                raise
            return
        if self._db.total_changes() != before:
            self._committed()
        for answer in answers:
            answer()

    def _packed(self, work: Append | Task) -> Sequence[Packed] | PerdureError:
        """Hash and compress the batch's new blobs before anybody waits for the write lock."""
        if isinstance(work, Task) or not work.batch.blobs:
            return ()
        ready: list[Packed] = []
        try:
            for name, content in work.batch.blobs:
                check_blob(name, content)
                if not lasts(self._db, name):
                    ready.append(pack_blob(self._places, name, content))
        except PerdureError as error:
            return error
        return ready

    def _write_later(self, answers: list[Callable[[], None]]) -> None:
        self._later_bytes = 0
        while self._later:
            verb, done = self._later.popleft()
            verb(self._db)
            answers.append(done)

    def _write_all(
        self,
        works: Sequence[Append | Task],
        packed: Sequence[Sequence[Packed] | PerdureError],
        answers: list[Callable[[], None]],
    ) -> None:
        events: list[Row] = []
        for work, ready in zip(works, packed, strict=True):
            if isinstance(work, Append):
                answers.append(self._write_batch(work, ready, events))
                continue
            # A verb may look at any table, and may change what the heads say.
            self._write_events(events)
            try:
                answers.append(work.run(self._db))
            except PerdureError as error:
                answers.append(lambda fail=work.fail, error=error: fail(error))
            self._heads.forget()
        self._write_events(events)

    def _write_batch(
        self, work: Append, ready: Sequence[Packed] | PerdureError, events: list[Row]
    ) -> Callable[[], None]:
        batch, answer = work
        try:
            if isinstance(ready, PerdureError):
                raise ready
            head = self._heads.of(batch.run)
            remembered = refusal(self._db, head, batch)
            self.fence.check(batch)
        except PerdureError as error:
            refused = error
            return lambda: answer.set_exception(refused)
        if remembered is not None:
            return lambda: answer.set_result(remembered)
        end = write_batch(self._db, head, batch, self._still_ready(batch, ready), events)
        return lambda: answer.set_result(Appended(end))

    def _still_ready(self, batch: Batch, ready: Sequence[Packed]) -> Sequence[Packed]:
        """Return the batch's new blobs as of this transaction: a collector may have been here meanwhile."""
        if not batch.blobs:
            return ready
        content = dict(batch.blobs)
        again = [whole_again(self._places, blob, content[blob.digest.hex()]) for blob in ready]
        if self.fence.moved:
            known = {blob.digest.hex() for blob in ready}
            gone = [name for name in content if name not in known and not lasts(self._db, name)]
            again += [pack_blob(self._places, name, content[name]) for name in gone]
        return again

    def _write_events(self, events: list[Row]) -> None:
        if events:
            self._db.executemany(INSERT_EVENT, events)
            events.clear()

    # -- when writing fails --------------------------------------------------------------------------

    def _give_up(self, works: Sequence[Append | Task], error: PerdureError) -> None:
        """Refuse ``works``, of which nothing was written yet."""
        if isinstance(error, Busy | StoreReadOnly):
            self._refuse(works, error)
        else:
            self._fail(works, error)

    def _fail(self, works: Sequence[Append | Task], error: PerdureError) -> None:
        """Writing has failed, for these and for good."""
        mark_unsynced(self._places)
        self._failure = error if isinstance(error, StoreDamaged) else StoreFailed(str(error))
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as second:
            self._failure = StoreFailed(f"{error}; and then: {second}")
        self._refuse(works, self._failure)
        self._refuse_queued()

    def _refuse(self, works: Sequence[Append | Task], error: PerdureError) -> None:
        for work in works:
            # One error each: whoever raises it hangs its own traceback on it.
            own = type(error)(str(error), hint=error.hint)
            if isinstance(work, Append):
                work.answer.set_exception(own)
            else:
                work.fail(own)

    def _refuse_queued(self) -> None:
        failure = self._failure or StoreFailed("the store is closed")
        while True:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return
            if work is None:
                self._queue.put(None)
                return
            self._refuse((work,), failure)

    # -- the write-ahead log -------------------------------------------------------------------------

    def _note_wal(self, _db: object, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _copy_back(self) -> None:
        easy, pages = self._wal_pages_easy, self._wal_pages
        if pages < easy or (pages < WAL_HARD * easy and not self._queue.empty()):
            return
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError):
            return
        except apsw.Error as error:
            self._fail((), said(error, "copying the write-ahead log into the file"))

    def _end(self) -> None:
        if self._failure is None:
            try:
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error as error:
                # Every answer was given; what could not be copied is still in the write-ahead log.
                self._fail((), said(error, "copying the write-ahead log into the file"))
        if self._failure is None:
            self._db.close()
        else:
            close_untouched(self._db)
        self._turnstile.close()
        self._ended = True
        self._refuse_queued()
