"""Who drives a run, as far as it can be seen from here."""

from typing import Literal, NamedTuple

from perdure.adapters.holders import Fate, fate
from perdure.log.port import RunRow

Presence = Literal["nobody", "alive", "dead", "unknown"]


class Driver(NamedTuple):
    """The writer that a run was last given to, and whether it still runs."""

    presence: Presence
    pid: int = 0
    epoch: int = 0


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
