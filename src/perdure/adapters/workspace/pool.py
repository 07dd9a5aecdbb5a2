"""Snapshots take turns: a few at a time on this host, the urgent first.

Invariants:
- In one process, at most ``slots`` jobs run that nobody waits for; so on the host, over all processes that
  share ``places``.
- A job that somebody waits for goes before all others, and after ``patience`` seconds it goes ahead without a
  slot: a queue of snapshots delays an agent by no more than that.
- A slot is held by a lock of the system: a process that dies gives it back.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Generic, TypeVar

from perdure.values.limits import SNAPSHOT_PATIENCE_SECONDS, SNAPSHOTS_AT_ONCE_MAX

T = TypeVar("T")

_PAUSE_SECONDS: Final = 0.01
"""Between two looks for a slot of the host: the system can't wait for any of several locks."""


class Job(Generic[T]):
    """Work that waits for its turn, runs, or is done; ``future`` tells."""

    def __init__(self, number: int, changed: threading.Condition) -> None:
        """Stand as the ``number``-th in line."""
        self.future: Future[T] = Future()
        self.number: int = number
        self.urgent_since: float | None = None
        self._changed: threading.Condition = changed

    @property
    def rank(self) -> tuple[bool, int]:
        """Its place in line; the lowest is next."""
        return self.urgent_since is None, self.number

    def hurry(self) -> None:
        """Somebody waits for it."""
        with self._changed:
            if self.urgent_since is None:
                self.urgent_since = time.monotonic()
                self._changed.notify_all()


class Pool:
    """The turns of one process, and its share of the host's."""

    def __init__(
        self,
        places: Path | None = None,
        *,
        slots: int = min(SNAPSHOTS_AT_ONCE_MAX, os.cpu_count() or 1),
        patience: float = SNAPSHOT_PATIENCE_SECONDS,
    ) -> None:
        """Share ``slots`` with all processes that name the same directory; with None, only within this one."""
        self._places: Path | None = places
        self._slots: int = slots
        self._patience: float = patience
        self._changed: threading.Condition = threading.Condition()
        self._waiting: dict[int, Callable[[], tuple[bool, int]]] = {}
        self._running: int = 0
        self._next: int = 0

    def submit(self, work: Callable[[], T], *, urgent: bool = False) -> Job[T]:
        """Run ``work`` in a thread of its own when it is its turn.

        Cancelling the job's future takes it out of the line, unless it runs already.
        """
        with self._changed:
            self._next += 1
            job: Job[T] = Job(self._next, self._changed)
            self._waiting[job.number] = lambda: job.rank
        job.future.add_done_callback(lambda _: self._look_again())
        if urgent:
            job.hurry()
        # A process that ends doesn't wait for a snapshot that nobody will name.
        threading.Thread(target=self._run, args=(job, work), name="snapshot", daemon=True).start()
        return job

    def _look_again(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self, job: Job[T], work: Callable[[], T]) -> None:
        self._wait_for_turn(job)
        try:
            if not job.future.set_running_or_notify_cancel():
                return
            try:
                job.future.set_result(self._in_slot(job, work))
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future hears it
                job.future.set_exception(error)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _in_slot(self, job: Job[T], work: Callable[[], T]) -> T:
        slot = self._host_slot(job)
        try:
            return work()
        finally:
            if slot is not None:
                os.close(slot)

    def _wait_for_turn(self, job: Job[T]) -> None:
        with self._changed:
            while not self._may(job):
                self._changed.wait(self._left(job))
            del self._waiting[job.number]
            self._running += 1
            self._changed.notify_all()

    def _may(self, job: Job[T]) -> bool:
        if self._left(job) == 0 or job.future.cancelled():
            return True
        first = min(rank() for rank in self._waiting.values())
        return self._running < self._slots and first == job.rank

    def _left(self, job: Job[T]) -> float | None:
        """Return for how many seconds the job still waits for a slot; None for as long as it takes."""
        if job.urgent_since is None:
            return None
        return max(0.0, job.urgent_since + self._patience - time.monotonic())

    def _host_slot(self, job: Job[T]) -> int | None:
        """Return the lock of a slot, or None where the job goes ahead without one."""
        while self._places is not None and self._left(job) != 0:
            for number in range(self._slots):
                fd = os.open(self._places / f"slot-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(fd)
                else:
                    return fd
            with self._changed:
                self._changed.wait(_PAUSE_SECONDS)
        return None
