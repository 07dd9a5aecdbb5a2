"""Stores that break one promise each, as a client would meet them; the checker must catch every one.

They stand in front of a real store and reach it by its own port alone, so that they break any store alike.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from perdure.log.envelope import Stored, seal, unseal
from perdure.log.port import Appended, Batch, Holder, Lease, Remembered, RunRow
from perdure.values.errors import Fenced

Answered = Future[Appended | Remembered]
WAIT_SECONDS = 60


class Behind(Protocol):
    """What is needed of a store to break it."""

    def append(self, batch: Batch) -> Answered:
        """Append ``batch``."""
        ...

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        """Acquire ``run``."""
        ...

    def rows(self, run: str | None = None) -> Sequence[RunRow]:
        """Return rows of runs."""
        ...


class Sound:
    """The store as it is."""

    def __init__(self, books: Behind) -> None:
        """Stand in front of ``books``."""
        self.books: Behind = books

    def append(self, batch: Batch) -> Answered:
        """Append ``batch``."""
        return self.books.append(batch)

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        """Acquire ``run``."""
        return self.books.acquire(run, holder, take_over=take_over)


class FencingOff(Sound):
    """A stale writer's batch is written all the same, where the stream ends now."""

    def append(self, batch: Batch) -> Answered:
        """Write under whatever epoch the run has."""
        answer = self.books.append(batch)
        if not isinstance(answer.exception(WAIT_SECONDS), Fenced):
            return answer
        (row,) = self.books.rows(batch.run)
        if row.holder is None:
            return answer
        events = resealed(batch, row.position, row.head)
        return self.books.append(batch._replace(expected=row.position, epoch=row.epoch, events=events))


class ClaimsOff(Sound):
    """Nobody remembers who claimed what."""

    def append(self, batch: Batch) -> Answered:
        """Write the events without their claims."""
        return self.books.append(batch._replace(opened=(), closed=()))


class EpochReused(Sound):
    """Who takes a run over is given the epoch of the one before."""

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        """Hand out the present epoch again."""
        (row,) = self.books.rows(run)
        if take_over and row.holder is not None:
            return Lease(row.epoch)
        return self.books.acquire(run, holder, take_over=take_over)


class PostsStay(Sound):
    """A post that was taken in goes on waiting."""

    def append(self, batch: Batch) -> Answered:
        """Write the events and leave the inbox alone."""
        return self.books.append(batch._replace(consumed=()))


class AppendLost(Sound):
    """Now and then a batch is acknowledged and not written."""

    def __init__(self, books: Behind) -> None:
        """Lose every seventh batch."""
        super().__init__(books)
        self._batches: int = 0

    def append(self, batch: Batch) -> Answered:
        """Write six batches, and say of the seventh that it was written."""
        self._batches += 1
        if self._batches % 7:
            return self.books.append(batch)
        answer: Answered = Future()
        answer.set_result(Appended(batch.expected + len(batch.events)))
        return answer


BROKEN: dict[str, Callable[[Behind], Sound]] = {
    "": Sound,
    "fencing-off": FencingOff,
    "claims-off": ClaimsOff,
    "epoch-reused": EpochReused,
    "posts-stay": PostsStay,
    "append-lost": AppendLost,
}


def resealed(batch: Batch, position: int, head: bytes) -> list[Stored]:
    """Return the batch's events as they would stand after ``position``."""
    events: list[Stored] = []
    for stored in batch.events:
        position += 1
        events.append(seal(unseal(stored)._replace(position=position), head))
        head = events[-1].digest
    return events
