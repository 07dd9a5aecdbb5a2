"""What a store tells of its own work, in numbers that only grow: for whoever watches it.

Invariant: nothing depends on these figures. They begin at zero with the store object, and a reader may see one of them a
moment ahead of another.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

COMMIT_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a fast disk's sync to the longest wait for a server that fails over."""

GROUP_BATCHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""How many batches shared a commit: one is a quiet process, many are a disk that is waited for."""


class Spread:
    """How often a figure lay below which bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Know nothing yet; what is above the last bound has a place of its own."""
        self.bounds: tuple[float, ...] = tuple(bounds)
        self.counts: list[int] = [0] * (len(self.bounds) + 1)
        self.total: float = 0.0

    def add(self, figure: float) -> None:
        """The figure was seen once more."""
        self.counts[bisect_left(self.bounds, figure)] += 1
        self.total += figure


class CommitMeter:
    """One store object's work."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.commit_seconds: Spread = Spread(COMMIT_SECONDS)
        self.group_batches: Spread = Spread(GROUP_BATCHES)
        self.refused: Counter[str] = Counter()
        """batches that were not written, by the code of the error"""
        self.dialed: int = 0
        """connections for writing that were made"""
        self.lost: int = 0
        """those that broke"""


class StandingSeen(msgspec.Struct, frozen=True):
    """What is asked of a database every few seconds: whether its runs may be driven."""

    suspended: str = ""
    """why not, or empty"""
    too_new: str = ""
    """the step of its tables beside which this perdure can't work, or empty"""
    format: int = 0
    failovers: int = 0
    clock_ns: int = 0
    """the server's, while it was asked"""
    risky: str = ""
    """settings of the server that are off, parted by spaces: what is acknowledged may not outlive the machine"""


class FleetSeen(msgspec.Struct, frozen=True):
    """What is asked of a database now and then, since it may take a while."""

    runs: dict[str, int] = {}
    """by status"""
    parked: int = 0
    unplaced: dict[str, int] = {}
    """runs that the last worker which looked did not drive, by the kind of reason"""
    effects_open: int = 0
    """promised, and not known to have ended: under way, or in doubt"""
    feed_lag_seconds: float = 0.0
    feed_stalled: bool = False
    spilled_blobs: int = 0
    spilled_bytes: int = 0
    processes: dict[str, int] = {}
    """workers, by state"""
    tenants_full: int = 0
    """tenants that have runs which wait for a place"""


class Watched(Protocol):
    """A database, for whoever watches it."""

    def standing(self) -> StandingSeen:
        """Return whether its runs may be driven. Raises what reaching it raises."""
        ...

    def fleet(self) -> FleetSeen:
        """Return what it holds. Raises what reaching it raises, and ``Busy`` where that takes too long."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A store that counts what it does."""

    @property
    def meter(self) -> CommitMeter:
        """Its figures."""
        ...

    @property
    def objects_trouble(self) -> str:
        """What the last try of its object store failed with, until one has worked; else empty."""
        ...
