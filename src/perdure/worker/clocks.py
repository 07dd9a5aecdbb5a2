"""Time as the store's database tells it, for all workers of a fleet alike.

What has to be waited for in safety, as a bank's listing before a payment is sent again, is begun by one worker and ended by
another: their own clocks may be a minute apart, or be set in between.

Invariants:
- Between two looks at the database time goes on by a clock that nobody sets. What is done to this machine's changes nothing.
- A look that took longer than another says less: it counts once the other has become as uncertain, or is contradicted.
"""

from typing import Final, NamedTuple

from perdure.assembly.clock import SystemClock
from perdure.worker.pulse import passed

DRIFT: Final = 1e-4
"""A second in ten thousand: twice what a bad quartz is off by."""


class _Look(NamedTuple):
    """What a database said."""

    at: float
    """on the clock that nobody sets, seconds: the middle between question and answer"""
    said_ns: int
    error: float
    """how far it may be off, seconds"""

    def time(self, now: float) -> int:
        """Return what the database's clock says at ``now``."""
        return self.said_ns + round((now - self.at) * 1e9)

    def uncertain(self, now: float) -> float:
        """Return how far that may be off."""
        return self.error + abs(now - self.at) * DRIFT


class FleetClock(SystemClock):
    """Goes by the database; by this machine's clock before it has been told."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._best: _Look | None = None

    def told(self, said_ns: int, *, asked: float, answered: float) -> None:
        """Take in what the database's clock said (ns) between ``asked`` and ``answered``, seconds of ``passed``.

        One thread at a time tells; any may ask for the time meanwhile.
        """
        new = _Look((asked + answered) / 2, said_ns, (answered - asked) / 2)
        best = self._best
        if best is not None:
            left = best.uncertain(answered)
            apart = abs(new.time(answered) - best.time(answered)) / 1e9
            if new.error > left and apart <= new.error + left:
                return
        self._best = new

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        best = self._best
        return super().now() if best is None else best.time(passed())
