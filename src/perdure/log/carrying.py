"""Carrying runs from one store to another: what is carried beside events and blobs, and who holds a run meanwhile.

Invariants:
- From before the first of it is read until it counts again, a run that moves is held in its source by a holder that
  nobody can prove dead: nobody drives, addresses or forks it there.
- A run that arrives is held in its target in the same way until all of it is there.
- So of the two copies at most one can be driven, at any moment.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from perdure.log.events import Content
from perdure.log.port import ClaimOpened, Holder, NewRun
from perdure.values.errors import Held, Moved

MOVED: Final = "moved"
ARRIVING: Final = "arriving"
"""Hosts of such holders: no machine's name, so that no process can be proved to be theirs, or dead."""


class CarriedWriter(NamedTuple):
    """The writer of an earlier epoch; ``told`` is the epoch that was told of its end."""

    epoch: int
    holder: Holder | None
    told: int | None


class CarriedClaim(NamedTuple):
    """A claim with its run, and how it ended."""

    run: str
    opened: ClaimOpened
    outcome: str | None
    result: Content | None


class CarriedPost(NamedTuple):
    """A post; one that was taken in has kept its id and lost kind and body."""

    id: str
    at: int
    kind: str | None
    body: bytes | None


class Carried(NamedTuple):
    """A run beside its events, its claims and what they name."""

    new: NewRun
    epoch: int
    wrote: int
    """the last epoch that appended"""
    status: str
    wake: int | None
    writers: tuple[CarriedWriter, ...]
    posts: tuple[CarriedPost, ...]


class CarryStore(Protocol):
    """What a store gives and takes when runs move."""

    def identity(self) -> str:
        """Return the store's id, the same in every copy of it."""
        ...

    def fork(self, new: NewRun, holder: Holder) -> None:
        """The fork is here, also while its parent is still arriving, and held by ``holder`` under epoch 1."""
        ...

    def carried(self, run: str) -> Carried:
        """Return what is to be carried of the run beside events and claims."""
        ...

    def settle(self, part: Carried, epoch: int) -> None:
        """The run is as ``part`` says, beside its events, in one transaction; it stays held by who has ``epoch``.

        Its epoch is never lowered. Raises ``Fenced`` if the run isn't held under ``epoch``.
        """
        ...

    def carried_claims(self, runs: Sequence[str]) -> Sequence[CarriedClaim]:
        """Return the claims of ``runs``, in the order in which they were opened."""
        ...

    def settle_claims(self, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
        """The claims of ``runs`` are ``claims``, in one transaction; ``Conflict`` if another run has one of their keys."""
        ...

    def totals(self) -> Mapping[str, int]:
        """Return all shared counters."""
        ...

    def receive(self, origin: str, totals: Mapping[str, int]) -> None:
        """Counters hold what store ``origin`` brought, once: what it brought before is taken off, in one transaction."""
        ...


def received(origin: str, counter: str) -> str:
    """Return the counter that remembers what ``origin`` brought of ``counter``."""
    return f"carried:{origin}:{counter}"


def moved(to: str, where: str) -> Holder:
    """Return the holder of a run that was moved to the store ``to``, which is at ``where``."""
    return Holder(MOVED, 0, f"{to} {where}", f"{MOVED} {to}")


def arriving(origin: str, where: str) -> Holder:
    """Return the holder of a run that comes from the store ``origin``, which is at ``where``."""
    return Holder(ARRIVING, 0, f"{origin} {where}", f"{ARRIVING} {origin}")


def other_store(holder: Holder | None, host: str) -> str | None:
    """Return the id of the other store if ``holder`` is of the kind ``host``."""
    return holder.started.partition(" ")[0] if holder is not None and holder.host == host else None


def check_moved(run: str, holder: Holder | None, by: Holder | None = None) -> None:
    """Raise ``Moved`` or ``Held`` if ``holder`` says that the run is in another store, or not all here yet.

    ``by`` is who wants it: what was moved away may come back from where it went, and what arrives may be given up.
    """
    if holder is None or holder.host not in (MOVED, ARRIVING):
        return
    other, _, where = holder.started.partition(" ")
    if other_store(by, MOVED if holder.host == ARRIVING else ARRIVING) == other:
        return
    if holder.host == ARRIVING:
        raise Held(
            f"{run} is being copied here from {where}",
            hint="let `perdure store copy` end, or start it again: it goes on where it was",
        )
    raise Moved(f"{run} was moved to {where}")
