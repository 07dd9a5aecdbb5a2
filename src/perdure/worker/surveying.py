"""Looks at the databases of a store in a thread of its own, so that probes and scrapes are answered from memory.

Invariants:
- Whether runs may be driven is looked at every few seconds, and what it costs time to count only where somebody scrapes,
  and the more seldom the longer it takes.
- What could not be asked keeps its last figures, and their age says how old they are.
- A clock that is stepped between two looks is seen to be wrong at once: no timer is due by it meanwhile.
"""

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from perdure.assembly.clock import SystemClock
from perdure.log.metering import Counting, FleetSeen, StandingSeen, Watched
from perdure.values.errors import ClockAstray, PerdureError
from perdure.values.limits import (
    CLOCK_SKEW_SECONDS_MAX,
    WATCH_FLEET_SECONDS,
    WATCH_FLEET_SHARE,
    WATCH_STANDING_SECONDS,
    WATCH_UNASKED_SECONDS,
)
from perdure.worker.clocks import FleetClock
from perdure.worker.pulse import passed
from perdure.worker.telling import Tell

SURVEYS = True
"""Switched off by builds that are broken on purpose."""


class BaseSeen(NamedTuple):
    """One database as it was seen last."""

    standing: StandingSeen = StandingSeen()
    fleet: FleetSeen | None = None
    """None before it was first counted"""
    counted_at: float = 0.0
    skew_seconds: float = 0.0
    """how far this machine's clock was ahead of the server's"""
    offset_seconds: float | None = None
    """how far it was ahead of the clock that nobody sets, then"""
    trouble: str = ""
    """why it could not be asked the last time"""
    counting: Counting | None = None
    """what this process does there, where it is open"""


class Survey:
    """What is known of each database."""

    def __init__(
        self,
        bases: Mapping[str, Watched],
        counting: Callable[[], Mapping[str, Counting]],
        *,
        tell: Tell,
        outdated: Callable[[], None],
        clock: FleetClock,
    ) -> None:
        """Look at ``bases``; ``counting`` are this process's open stores; ``outdated`` is called once tables are too new.

        ``clock`` is told what time it is there.
        """
        self._bases: Mapping[str, Watched] = bases
        self._counting: Callable[[], Mapping[str, Counting]] = counting
        self._tell: Tell = tell
        self._outdated: Callable[[], None] = outdated
        self._told: set[str] = set()
        self._own: SystemClock = SystemClock()
        self._clock: FleetClock = clock
        self._ends: bool = False
        self._hurry: threading.Event = threading.Event()
        self._scraped: float = -WATCH_UNASKED_SECONDS
        self._next: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self.seen: dict[str, BaseSeen] = {name: BaseSeen() for name in bases}

    def begin(self) -> None:
        """Look now, then go on in a thread of its own. Raises ``ClockAstray``."""
        self._look()
        if self.astray:
            raise ClockAstray(self.astray)
        self._thread = threading.Thread(target=self._run, name="perdure-survey", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nothing is looked at any more."""
        self._ends = True
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def scraped(self) -> Mapping[str, BaseSeen]:
        """Return what was seen last: somebody wants to have it counted."""
        self._scraped = passed()
        if any(each.fleet is None for each in self.seen.values()):
            self._hurry.set()
        return dict(self.seen)

    @property
    def astray(self) -> str:
        """Why this process begins nothing, or empty: its clock, or a server's, is wrong."""
        offset = self._offset()
        skews = (each.skew_seconds + _stepped(each.offset_seconds, offset) for each in self.seen.values())
        skew = max(skews, key=abs, default=0.0)
        if abs(skew) <= CLOCK_SKEW_SECONDS_MAX:
            return ""
        return (
            f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the database's"
        )

    @property
    def obstacle(self) -> str:
        """Why no run may be driven in some database, or empty."""
        if self.astray:
            return self.astray
        for name, seen in self.seen.items():
            where = f"shard {name}: " if name else ""
            if seen.standing.suspended:
                return f"{where}the store is suspended: {seen.standing.suspended}"
            if seen.standing.too_new:
                return f"{where}the store's tables are too new for this perdure: {seen.standing.too_new}"
        return ""

    def _run(self) -> None:
        while not self._ends:
            self._hurry.wait(WATCH_STANDING_SECONDS)
            self._hurry.clear()
            if SURVEYS and not self._ends:
                self._look()

    def _look(self) -> None:
        counting = self._counting()
        for name, base in self._bases.items():
            seen = self.seen[name]._replace(counting=counting.get(name))
            try:
                # Before: a step in between is counted twice rather than not at all.
                offset = self._offset()
                standing, skew = self._asked(base, leads=self._leads(name))
                seen = seen._replace(standing=standing, skew_seconds=skew, offset_seconds=offset, trouble="")
                self.seen[name] = seen
                if self._due(name):
                    self.seen[name] = seen._replace(fleet=self._counted(name, base), counted_at=passed())
            except PerdureError as error:
                self.seen[name] = seen._replace(trouble=error.code)
        self._warn()

    def _offset(self) -> float:
        return self._own.now() / 1e9 - passed()

    def _leads(self, name: str) -> bool:
        """Whether time goes by this database: the first that has ever answered, the same for all workers."""
        return name == next(
            (each for each, seen in self.seen.items() if seen.offset_seconds is not None), name
        )

    def _asked(self, base: Watched, *, leads: bool) -> tuple[StandingSeen, float]:
        began = passed()
        standing = base.standing()
        answered = passed()
        if leads:
            self._clock.told(standing.clock_ns, asked=began, answered=answered)
        # The server answered somewhere between the two.
        return standing, (self._own.now() - standing.clock_ns) / 1e9 - (answered - began) / 2

    def _due(self, name: str) -> bool:
        now = passed()
        return now - self._scraped < WATCH_UNASKED_SECONDS and now >= self._next.get(name, 0.0)

    def _counted(self, name: str, base: Watched) -> FleetSeen:
        began = passed()
        try:
            return base.fleet()
        finally:
            took = passed() - began
            self._next[name] = began + max(WATCH_FLEET_SECONDS, WATCH_FLEET_SHARE * took)

    def _warn(self) -> None:
        self._once("worker.astray", self.astray)
        risky = next((each.standing.risky for each in self.seen.values() if each.standing.risky), "")
        self._once("worker.risky", risky and f"off on the store's server: {risky.replace(' ', ', ')}")
        too_new = next((each.standing.too_new for each in self.seen.values() if each.standing.too_new), "")
        if self._once("worker.outdated", too_new):
            self._outdated()

    def _once(self, event: str, why: str) -> bool:
        """Say it when it has become so, and tell whether it has."""
        if why and event not in self._told:
            self._told.add(event)
            self._tell(event, why=why)
            return True
        if not why:
            self._told.discard(event)
        return False


def _stepped(before: float | None, now: float) -> float:
    """By how much this machine's clock was set since it was last compared with a server's."""
    return 0.0 if before is None or not SURVEYS else now - before
