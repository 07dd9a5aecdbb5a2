"""Stores whose process dies at a chosen moment, and copying that breaks a promise."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from perdure.adapters.memory.carrying import MemoryCarrier
from perdure.adapters.memory.store import MemoryStore
from perdure.assembly.stores.copying import Relocating
from perdure.assembly.stores.selecting import RunGroup
from perdure.log.carrying import ARRIVING, Carried, CarriedClaim, other_store
from perdure.log.port import Appended, Batch, Holder, Lease, NewRun, Remembered

T = TypeVar("T")


class Killed(BaseException):
    """The copying process is gone."""


class Moments:
    """Counts the moments before and after each change; the process dies at the chosen one."""

    def __init__(self) -> None:
        self.passed = 0
        self.dies_at: int | None = None

    def pass_one(self) -> None:
        self.passed += 1
        if self.passed == self.dies_at:
            raise Killed


class DyingCarrier(MemoryCarrier):
    """A carrier with moments."""

    moments: Moments

    def settle(self, part: Carried, epoch: int) -> None:
        self.moments.pass_one()
        super().settle(part, epoch)
        self.moments.pass_one()

    def settle_claims(self, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
        self.moments.pass_one()
        super().settle_claims(runs, claims)
        self.moments.pass_one()

    def receive(self, origin: str, totals: Mapping[str, int]) -> None:
        self.moments.pass_one()
        super().receive(origin, totals)
        self.moments.pass_one()


class DyingStore(MemoryStore):
    """A store with moments."""

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self.moments = moments
        carrier = DyingCarrier(self._shelf, self._changed)
        carrier.moments = moments
        self._carrier = carrier

    def create(self, new: NewRun) -> bool:
        return self._passing(lambda: super(DyingStore, self).create(new))

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return self._passing(lambda: super(DyingStore, self).acquire(run, holder, take_over=take_over))

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        self._passing(lambda: super(DyingStore, self).release(run, epoch, ended=ended))

    def put(self, digest: str, content: bytes) -> None:
        self._passing(lambda: super(DyingStore, self).put(digest, content))

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        return self._passing(lambda: super(DyingStore, self).append(batch))

    def _passing(self, verb: Callable[[], T]) -> T:
        self.moments.pass_one()
        answer = verb()
        self.moments.pass_one()
        return answer


class ForgetsClaims(Relocating):
    """Copies runs without their claims, and compares nothing."""

    def _bring(self, unit: RunGroup) -> None:
        for run in unit.runs:
            self._bring_run(run, set())

    def _compare(self, unit: RunGroup) -> None:
        del unit


class ClaimsLast(Relocating):
    """Lets runs count as soon as their events are there; claims come after."""

    def _bring_run(self, run: str, seen: set[str]) -> None:
        super()._bring_run(run, seen)
        (row,) = self._target.books.rows(run)
        if other_store(row.holder, ARRIVING) is not None:
            self._target.books.release(run, row.epoch)


class NoMark(Relocating):
    """Leaves the source as it is."""

    def _mark(self, unit: RunGroup) -> None:
        del unit
