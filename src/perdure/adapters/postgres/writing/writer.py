"""The one writer of a process: whatever waits shares one transaction, and one wait for the disk.

Writing happens in a thread of its own. A caller who has nothing else to do (``Batch.alone``) writes in its own
thread where nobody else is writing: two hand-overs between threads cost more than a fast disk's sync.

Invariants:
- Answers are given after the commit that makes them true is known to be done, in the order of the calls.
- A connection that is lost before a commit was sent has done nothing: the group is written again, within a bound.
- A connection that is lost after a commit was sent says nothing: what became of it is read from the store, once no
  other connection can change it any more. Only where that can't be learned within a bound is it ``StoreFailed``.
- What was only found in the store, or committed without its standby, is answered after a commit of our own has gone
  where commits have to go: it stands behind the first in one log.
- What the server refuses in a group is found by writing each batch alone, so that one bad batch harms no other.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import psycopg

from perdure.adapters.postgres.content.blobs import Packed, check_blob, pack_blob
from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.judging.batch import Asked
from perdure.adapters.postgres.layout import GROUP_BYTES_MAX
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import UNSAYABLE, Lost, said
from perdure.adapters.postgres.link.rounds import Rounds
from perdure.adapters.postgres.writing.backlog import Backlog, Later
from perdure.adapters.postgres.writing.certainty import found_of, made_sure, unsure
from perdure.adapters.postgres.writing.group import ROLLBACK, Append, Group
from perdure.log.metering import CommitMeter
from perdure.log.port import Appended, Batch, Remembered
from perdure.values.errors import PerdureError, StoreFailed, Unreplicated
from perdure.values.limits import GROUP_BATCHES_MAX

_AGAIN: Final = ("40001", "40P01", "55P03", "57014")
"""The server took the transaction back, and nothing is wrong with it."""

_TOO_MANY_LOCKS: Final = "53200"
"""A group takes a lock for each name that it claims or counts: what is too much together may go one by one."""

_PAUSE_SECONDS: Final = 0.02


class Flush(NamedTuple):
    """Somebody waits until all that was asked before is durable."""

    answer: "Future[None]"


def _heard() -> None:
    """Nobody waits for this answer."""


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, dialer: Dialer, known: Known, fence: Fence, changed: Callable[[int], None]) -> None:
        """Begin to write; ``changed`` is called with the mark of each change."""
        self._dialer: Dialer = dialer
        self._known: Known = known
        self._fence: Fence = fence
        self.meter: CommitMeter = CommitMeter()
        self._changed: Callable[[int], None] = changed
        self._rounds: Rounds | None = None
        self._queue: queue.SimpleQueue[Append | Flush | None] = queue.SimpleQueue()
        self._later: Backlog = Backlog()
        self._ended: bool = False
        self._closing: threading.Event = threading.Event()
        self._turn: threading.Lock = threading.Lock()
        """held by the thread that writes"""
        self._thread: threading.Thread = threading.Thread(
            target=self._live, name="perdure-writer", daemon=True
        )
        self._thread.start()

    # -- for any thread ------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        """Queue ``batch``; the future is done when it is durable, and can't be cancelled."""
        answer: Future[Appended | Remembered] = Future()
        answer.set_running_or_notify_cancel()
        self.enqueue(batch, answer)
        return answer

    def enqueue(self, batch: Batch, answer: "Future[Appended | Remembered]") -> None:
        """Queue ``batch``, whose ``answer`` somebody has already."""
        try:
            blobs = [_packed(name, content) for name, content in batch.blobs]
        except PerdureError as error:
            answer.set_exception(error)
            return
        work = Append(batch, blobs, answer)
        if not (batch.alone and self._write_here(work)):
            self._put(work)

    def later(self, asked: Sequence[Asked], size: int, done: Callable[[], None] = _heard) -> None:
        """Write ``asked`` with the next group; at the latest when too much has gathered."""
        self._add(Later(None, asked, size, done))

    def put(self, blob: Packed, done: Callable[[], None]) -> None:
        """Write ``blob`` with the next group; at the latest when too much has gathered."""
        self._add(Later(blob, (), len(blob.content), done))

    def flush(self) -> None:
        """Wait until what was put before is durable."""
        answer: Future[None] = Future()
        self._put(Flush(answer))
        answer.result()

    def close(self) -> None:
        """Write what is queued, and end."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

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
        return True

    def _add(self, later: Later) -> None:
        if self._ended:
            raise StoreFailed("the store is closed")
        if self._later.add(later):
            self._put(Flush(Future()))

    def _put(self, work: Append | Flush) -> None:
        self._queue.put(work)
        if self._ended:
            # The thread looked at the queue for the last time after it said so.
            self._refuse_queued()

    # -- in the thread that writes ------------------------------------------------------------------

    def _live(self) -> None:
        going = True
        while going:
            works, going = self._gathered()
            with self._turn:
                if works or (self._later and not going):
                    self._together(works)
        with self._turn:
            self._ended = True
            self._hang_up()
        self._refuse_queued()

    def _gathered(self) -> tuple[list[Append | Flush], bool]:
        """Wait for work and return all there is, and whether more may come."""
        works: list[Append | Flush] = []
        size = 0
        work = self._queue.get()
        while work is not None:
            works.append(work)
            if isinstance(work, Append):
                size += sum(len(event.frame) for event in work.batch.events)
                size += sum(len(blob.content) for blob in work.blobs)
            if len(works) >= GROUP_BATCHES_MAX or size >= GROUP_BYTES_MAX:
                return works, True
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return works, True
        return works, False

    def _together(self, works: Sequence[Append | Flush]) -> None:
        """Write ``works`` in one transaction, or each by itself if something in them is refused; answer each."""
        appends = [work for work in works if isinstance(work, Append)]
        waiting = [work for work in works if isinstance(work, Flush)]
        later = self._later.take()
        try:
            self._written(appends, later)
        except PerdureError as error:
            if not _is_of_one(error) or len(appends) + len(later) == 1:
                self._later.keep(later)
                self._refuse(works, error)
                return
            cause = self._one_by_one(appends, later)
            if cause is not None:
                self._refuse(waiting, cause)
                return
        except BaseException as error:
            self._hang_up()
            self._later.keep(later)
            self._refuse(works, said(error, "writing to the store"))
            if not isinstance(error, Exception):
                # Someone interrupts the thread that writes for itself.
                raise
            return
        for work in waiting:
            work.answer.set_result(None)

    def _one_by_one(self, appends: Sequence[Append], later: Sequence[Later]) -> PerdureError | None:
        """Write each by itself; return why a blob can't be written, and nothing after it was."""
        for number, part in enumerate(later):
            try:
                self._written((), (part,))
            except PerdureError as error:
                if part.blob is not None:
                    self._later.keep(later[number:])
                    self._refuse(appends, error)
                    return error
        for work in appends:
            try:
                self._written((work,), ())
            except PerdureError as error:
                self._refuse((work,), error)
        return None

    def _written(self, appends: Sequence[Append], later: Sequence[Later]) -> None:
        """The batches are written and answered, or ``PerdureError`` is raised and none was."""
        group = self._committed(
            lambda: Group(
                appends,
                [asked for part in later for asked in part.asked],
                [part.blob for part in later if part.blob is not None],
                self._known,
                self._fence,
            )
        )
        if group.mark:
            self._changed(group.mark)
        group.answer()
        self._count(appends)
        for part in later:
            part.done()

    def _committed(self, make: Callable[[], Group]) -> Group:
        """Return a group that is done with: written durably, or found to change nothing."""
        began = time.monotonic()
        deadline = began + self._dialer.setup.away_seconds
        while True:
            group = make()
            try:
                self._tried(group, deadline)
            except (Lost, Unreplicated) as error:
                # A new primary waits for no standby yet: that is on its way, or a person is asked.
                self._let_go(error)
                if group.sent and self._was_done(group):
                    self.meter.commit_seconds.add(time.monotonic() - began)
                    return group
                cause: Exception = error
            except psycopg.Error as error:
                self._take_back()
                if error.sqlstate not in _AGAIN:
                    raise said(error, "writing to the store") from error
                cause = error
            except PerdureError:
                self._take_back()
                raise
            except Exception as error:
                # Something that can't be said to the server, or a fault of ours: what was half said is unsaid.
                self._hang_up()
                raise said(error, "writing to the store") from error
            else:
                self.meter.commit_seconds.add(time.monotonic() - began)
                return group
            if time.monotonic() >= deadline:
                raise said(cause, "writing to the store") from cause
            time.sleep(_PAUSE_SECONDS)

    def _tried(self, group: Group, deadline: float) -> None:
        """The group is done with; raises ``Unreplicated`` where its commit may be on this server alone."""
        rounds = self._connected(deadline)
        group.look(rounds)
        group.judge(rounds)
        if not group.changes:
            rounds.ask(ROLLBACK)
            rounds.go()
            return
        notices = rounds.notices
        group.write(rounds)
        if rounds.notices != notices:
            raise Unreplicated("the server says that its commit may not have reached a standby")

    # -- the connection ------------------------------------------------------------------------------

    def _connected(self, deadline: float) -> Rounds:
        if self._rounds is None:
            left = max(0.0, deadline - time.monotonic())
            db = self._dialer.persistently(left, self._closing.is_set)
            self.meter.dialed += 1
            self._rounds = Rounds(db, self._dialer.setup.answer_seconds)
        return self._rounds

    def _hang_up(self) -> None:
        rounds, self._rounds = self._rounds, None
        if rounds is not None:
            rounds.close()

    def _let_go(self, error: Exception) -> None:
        if isinstance(error, Lost):
            self.meter.lost += 1
            self._hang_up()
            self._known.broke()
        else:
            self._take_back()

    def _take_back(self) -> None:
        """Nothing of the transaction under way is left."""
        if self._rounds is None:
            return
        try:
            self._rounds.ask(ROLLBACK)
            self._rounds.go()
        except (Lost, psycopg.Error):
            self._hang_up()

    # -- when it isn't known whether a commit was done ------------------------------------------------

    def _was_done(self, group: Group) -> bool:
        """Whether the group's commit was done, and is where commits have to go.

        Raises ``StoreFailed`` if that can't be learned in time.
        """
        deadline = time.monotonic() + self._dialer.setup.unsure_seconds
        while True:
            try:
                rounds = self._connected(deadline)
                found = found_of(rounds, group)
                if found is None or (found and not made_sure(rounds)):
                    why = "the server doesn't say what became of it"
                else:
                    return found
            except (Lost, psycopg.Error, PerdureError) as error:
                why = str(error)
                self._hang_up()
            if time.monotonic() >= deadline:
                raise unsure(why, lambda: self._connected(time.monotonic()))
            time.sleep(_PAUSE_SECONDS)

    # -- refusing ------------------------------------------------------------------------------------

    def _refuse(self, works: Sequence[Append | Flush], error: PerdureError) -> None:
        for work in works:
            if work.answer.done():
                continue
            # One error each: whoever raises it hangs its own traceback on it.
            own = type(error)(str(error), hint=error.hint)
            own.__cause__ = error.__cause__
            work.answer.set_exception(own)
            if isinstance(work, Append):
                self.meter.refused[own.code] += 1

    def _count(self, appends: Sequence[Append]) -> None:
        """Those that were judged each by itself are counted, too: a fenced writer is refused there."""
        if appends:
            self.meter.group_batches.add(len(appends))
        for work in appends:
            error = work.answer.exception()
            if isinstance(error, PerdureError):
                self.meter.refused[error.code] += 1

    def _refuse_queued(self) -> None:
        while True:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return
            if work is None:
                self._queue.put(None)
                return
            self._refuse((work,), StoreFailed("the store is closed"))


def _packed(name: str, content: bytes) -> Packed:
    check_blob(name, content)
    return pack_blob(name, content)


def _is_of_one(error: PerdureError) -> bool:
    """Tell whether one batch of a group is to blame, and not the server or the way to it."""
    cause = error.__cause__
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return isinstance(cause, UNSAYABLE) or (
        state is not None and (state == _TOO_MANY_LOCKS or state[:2] in ("21", "22", "23", "54", "42"))
    )
