"""Builds that are broken on purpose: each has to be caught by the harness that guards against it.

Nothing here is part of perdure. A sound build shows zeros where these show none.
"""

import copy
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, NamedTuple

from perdure.adapters.holders import Proof
from perdure.adapters.memory import MemoryStore
from perdure.adapters.memory.shelf import Shelf
from perdure.driver.books import Books
from perdure.driver.drive import Drive
from perdure.driver.work import Work
from perdure.driver.writer import Heard, RunWriter
from perdure.effect import doubt
from perdure.effect.memory import Fresh
from perdure.intention.declaration import Declaration
from perdure.intention.identity import Identity, key_of
from perdure.log import events as e
from perdure.log.envelope import Event, seal, unseal
from perdure.log.port import Appended, Batch, Holder, Lease, Remembered
from perdure.orchestrator import judge, step
from perdure.orchestrator.wanted import Perform, Request
from perdure.projection.state import Effect, State
from perdure.testing.crash import Play, Report, enumerate_deaths
from perdure.testing.disks import MakeDisk, MemoryDisk
from perdure.testing.lives import Ending, History, run_until_rest
from perdure.testing.oracle import calm_of
from tests.crash.cases import CASES
from tests.crash.resumers import PLACES, race


class Counts(NamedTuple):
    """What a harness counted of a build."""

    histories: int
    lost: int = 0
    duplicates: int = 0
    needless_stops: int = 0
    faults: int = 0

    @property
    def caught(self) -> bool:
        """Whether anything was seen to be wrong."""
        return any(self[1:])


# -- claims off: the store takes a key twice, and nobody remembers what was done -----------------------


class Claimless(MemoryStore):
    """A store that forgets claims."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        return super().append(batch._replace(opened=(), closed=()))


class ClaimlessDisk(MemoryDisk):
    """A disk under a store that forgets claims."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(proof)
        self._store: MemoryStore = Claimless(proof=proof)


def nothing_remembered(state: State, declaration: Declaration, identity: Identity) -> Fresh:
    """Take every act for a new one."""
    attempt = 1
    while (key := key_of(identity.stem, attempt)) in {**state.world.receipts, **state.world.open}:
        attempt += 1
    return Fresh(key, identity.stem, attempt)


# -- fencing off: leases are given to all who ask, and stale writers write -----------------------------


class Unfenced(MemoryStore):
    """A store that lets everybody write, behind whatever is there."""

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return super().acquire(run, holder, take_over=True)

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        record = self._shelf.record(batch.run)
        moved: list[Event] = []
        for stored in batch.events:
            event = unseal(stored)
            place = record.position + len(moved) + 1
            moved.append(event._replace(position=place, cause=min(event.cause, place)))
        head, sealed = record.head, []
        for event in moved:
            sealed.append(seal(event, head))
            head = sealed[-1].digest
        record.holder = record.holder or Holder("here", 0, "", "anybody")
        kept = [post for post in batch.consumed if post in record.pending]
        again = batch._replace(events=sealed, expected=record.position, epoch=record.epoch, consumed=kept)
        return super().append(again)


# -- record after deed: the tool is called before its start is durable ---------------------------------

_done: dict[tuple[str, int], tuple[Heard, ...]] = {}
_take, _carry_out = Drive.take, Work.carry_out


async def take_after_the_deed(self: Drive, *heard: Heard) -> tuple[Event, ...]:
    """Do what the facts will promise, and promise it then."""
    writer: RunWriter = self._writer
    state, reply = writer.state, writer.reply
    draft = writer._decide(heard)
    for event in draft.events:
        if isinstance(event.body, e.EffectStarted):
            writer.state = draft.state
            _done[event.body.key, event.body.send] = await _carry_out(
                self._work, Perform(event.body.key, event.body.send)
            )
    writer.state, writer.reply = state, reply
    return await _take(self, *heard)


async def carry_out_what_isnt_done(self: Work, request: Request) -> tuple[Heard, ...]:
    """Return what came of a deed that was done ahead."""
    if isinstance(request, Perform) and (request.key, request.send) in _done:
        return _done.pop((request.key, request.send))
    return await _carry_out(self, request)


# -- sync off: what was acknowledged last is gone after a crash ----------------------------------------

BATCHES_PER_SYNC: Final = 3


class Unsynced(MemoryStore):
    """A store that has its batches on disk only now and then."""

    def __init__(self, *, proof: Proof) -> None:
        super().__init__(proof=proof)
        self._unsynced: int = 0
        self._on_disk: Shelf = copy.deepcopy(self._shelf)

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        answer = super().append(batch)
        self._unsynced += 1
        if self._unsynced >= BATCHES_PER_SYNC:
            self.sync()
        return answer

    def sync(self) -> None:
        """Have everything on disk."""
        self._on_disk, self._unsynced = copy.deepcopy(self._shelf), 0

    def lose(self) -> None:
        """Have nothing that wasn't on disk."""
        self._shelf = copy.deepcopy(self._on_disk)


class UnsyncedDisk(MemoryDisk):
    """A disk that loses what was not synced."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(proof)
        self._lossy: Unsynced = Unsynced(proof=proof)

    def open(self) -> Books:
        return self._lossy

    def crash(self) -> None:
        self._lossy.lose()


# -- and two that are merely bad ------------------------------------------------------------------------


def a_person_is_asked_everything(
    state: State, declaration: Declaration | None, effect: Effect, at: int
) -> doubt.Ask:
    """Ask a person whatever the class of the effect allows."""
    return doubt.Ask("Who knows?")


def digest_by_mood(call: object) -> str:
    """Decide by something that no log holds."""
    return f"{id(call):x}"


# -- catching them --------------------------------------------------------------------------------------


@contextmanager
def patched(*swaps: tuple[object, str, object]) -> Generator[None]:
    """Put other things in the places of (owner, name), for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
    for owner, name, other in swaps:
        setattr(owner, name, other)
    try:
        yield
    finally:
        for owner, name, was in before:
            setattr(owner, name, was)


def plays(name: str, make_disk: MakeDisk) -> Play:
    """Return how the case of this name is played on such a disk."""
    case = CASES[name]

    @contextmanager
    def play(kills: Collection[int]) -> Generator[Ending]:
        world = case.world()
        history = History(lambda: case.agent(world), world, kills=kills, make_disk=make_disk)
        _done.clear()
        try:
            yield run_until_rest(history, "Go.", then=case.then)
        finally:
            history.discard()

    return play


def caught(
    names: Sequence[str], *swaps: tuple[object, str, object], make_disk: MakeDisk = MemoryDisk
) -> Counts:
    """Return what the crash enumeration counts of a build in which these things are swapped."""
    reports: list[Report] = []
    for name in names:
        with plays(name, MemoryDisk)(()) as ending:
            calm = calm_of(ending)
        with patched(*swaps):
            reports.append(enumerate_deaths(plays(name, make_disk), calm=calm))
    return Counts(
        sum(each.histories for each in reports),
        sum(each.lost for each in reports),
        sum(each.duplicates for each in reports),
        sum(each.needless_stops for each in reports),
        sum(each.faults for each in reports),
    )


class UnfencedDisk(MemoryDisk):
    """A disk under a store without fences."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(proof)
        self._store: MemoryStore = Unfenced(proof=proof)


def unfenced() -> Counts:
    """Return what eight resumers do to a store without fences."""
    fired = [race(UnfencedDisk, place).firings for place in PLACES]
    return Counts(len(fired), duplicates=sum(max(0, each - 1) for each in fired))


def broken_builds() -> dict[str, Counts]:
    """Return what the harnesses count of each broken build: nothing is 0 where it is guarded against."""
    ways = (doubt, "way_out", a_person_is_asked_everything)
    after = (Drive, "take", take_after_the_deed), (Work, "carry_out", carry_out_what_isnt_done)
    remembered = (judge, "recall", nothing_remembered)
    return {
        "claims off": caught(("rewind", "rewind of once"), remembered, make_disk=ClaimlessDisk),
        "fencing off": unfenced(),
        "record after deed": caught(("once", "probeable"), *after),
        "sync off": caught(("once", "probeable"), make_disk=UnsyncedDisk),
        "a person is asked everything": caught(("idempotent", "read"), ways),
        "decided by what no log holds": caught(("once",), (step, "full_digest", digest_by_mood)),
    }
