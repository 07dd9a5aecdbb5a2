"""Stores that break one promise each. The suite and the machine must catch every one of them."""

from collections.abc import Sequence
from concurrent.futures import Future

from perdure.adapters.memory.shelf import write
from perdure.adapters.memory.store import MemoryStore
from perdure.log.envelope import Stored
from perdure.log.port import Appended, Batch, Holder, Lease, Remembered
from perdure.values.errors import Conflict, Fenced
from tests.conformance.stores import SECONDS


def done(answer: Appended | Remembered) -> "Future[Appended | Remembered]":
    future: Future[Appended | Remembered] = Future()
    future.set_result(answer)
    return future


class Careless(MemoryStore):
    """Writes batches that should be refused for ``ignored``."""

    ignored: type[Exception] = Exception

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        answer = super().append(batch)
        if isinstance(answer.exception(SECONDS), self.ignored):
            return done(Appended(write(self._shelf, batch)))
        return answer


class FencingOff(Careless):
    """Lets stale writers write."""

    ignored = Fenced


class AnyPosition(Careless):
    """Takes a batch wherever the stream ends."""

    ignored = Conflict


class ClaimsOff(MemoryStore):
    """Forgets who claimed what."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        return super().append(batch._replace(opened=(), closed=()))


class ClaimsAfterwards(MemoryStore):
    """Keeps claims, and lets others through."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        answer = super().append(batch)
        if isinstance(answer.result(SECONDS) if answer.exception(SECONDS) is None else None, Remembered):
            return done(Appended(write(self._shelf, batch)))
        return answer


class LimitsOff(MemoryStore):
    """Counts, and never says no."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        return super().append(
            batch._replace(counters=[move._replace(limit=2**60) for move in batch.counters])
        )


class HalfBatches(MemoryStore):
    """Writes the events of a batch without what belongs to them."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        return super().append(batch._replace(consumed=(), blobs=()))


class SameEpoch(MemoryStore):
    """Gives a second writer the epoch of the first."""

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        lease = super().acquire(run, holder, take_over=take_over)
        if lease.epoch > 1:
            self._shelf.runs[run].epoch = lease.epoch - 1
            return lease._replace(epoch=lease.epoch - 1)
        return lease


class ShortReads(MemoryStore):
    """Loses the last event of a long read."""

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        events = super().read(run, after, limit)
        return events[:-1] if len(events) > 4 else events


BROKEN = (
    FencingOff,
    AnyPosition,
    ClaimsOff,
    ClaimsAfterwards,
    LimitsOff,
    HalfBatches,
    SameEpoch,
    ShortReads,
)
