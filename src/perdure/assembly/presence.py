"""Who drives a run, as far as it can be seen from here."""

from typing import Literal, NamedTuple

from perdure.adapters.holders import Fate, fate
from perdure.log.carrying import ARRIVING, MOVED
from perdure.log.port import RunRow

Presence = Literal["nobody", "alive", "dead", "unknown"]


class Driver(NamedTuple):
    """The writer that a run was last given to, and whether it still runs."""

    presence: Presence
    pid: int = 0
    epoch: int = 0


class AnotherStore(NamedTuple):
    """A run that doesn't count here: it was moved to another store, or is still arriving from one."""

    word: Literal["moved", "arriving"]
    where: str


def elsewhere(row: RunRow) -> AnotherStore | None:
    """Return where the run is, or comes from, if it doesn't count here."""
    if row.holder is None or row.holder.host not in (MOVED, ARRIVING):
        return None
    return AnotherStore(
        "moved" if row.holder.host == MOVED else "arriving", row.holder.started.partition(" ")[2]
    )


def driver_of(row: RunRow) -> Driver:
    """Return who drives the run of ``row``; 'dead' is said only with proof."""
    if row.holder is None:
        return Driver("nobody")
    match fate(row.holder):
        case Fate.ALIVE:
            presence: Presence = "alive"
        case Fate.DEAD:
            presence = "dead"
        case Fate.UNKNOWN:
            presence = "unknown"
    return Driver(presence, row.holder.pid, row.epoch)
