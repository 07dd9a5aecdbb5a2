"""Looks at the databases of a store in a thread of its own, so that probes and scrapes are answered from memory.

Invariants:
- Whether runs may be driven is looked at every few seconds, and what it costs time to count only where somebody scrapes,
  and the more seldom the longer it takes.
- What could not be asked keeps its last figures, and their age says how old they are.
"""

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from perdure.log.metering import Counting, FleetSeen, StandingSeen, Watched
from perdure.values.errors import PerdureError
from perdure.values.limits import (
    WATCH_FLEET_SECONDS,
    WATCH_FLEET_SHARE,
    WATCH_STANDING_SECONDS,
    WATCH_UNASKED_SECONDS,
)
from perdure.worker.pulse import passed

SURVEYS = True
"""Switched off by builds that are broken on purpose."""


class BaseSeen(NamedTuple):
    """One database as it was seen last."""

    standing: StandingSeen = StandingSeen()
    fleet: FleetSeen | None = None
    """None before it was first counted"""
    counted_at: float = 0.0
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
        outdated: Callable[[str], None],
    ) -> None:
        """Look at ``bases``; ``counting`` are this process's open stores; ``outdated`` hears once of tables that are too new."""
        self._bases: Mapping[str, Watched] = bases
        self._counting: Callable[[], Mapping[str, Counting]] = counting
        self._outdated: Callable[[str], None] = outdated
        self._told: bool = False
        self._ends: bool = False
        self._hurry: threading.Event = threading.Event()
        self._scraped: float = -WATCH_UNASKED_SECONDS
        self._next: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self.seen: dict[str, BaseSeen] = {name: BaseSeen() for name in bases}

    def begin(self) -> None:
        """Look now, then go on in a thread of its own."""
        self._look()
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
    def obstacle(self) -> str:
        """Why no run may be driven in some database, or empty."""
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
                seen = seen._replace(standing=base.standing(), trouble="")
                self.seen[name] = seen
                if self._due(name):
                    self.seen[name] = seen._replace(fleet=self._counted(name, base), counted_at=passed())
            except PerdureError as error:
                self.seen[name] = seen._replace(trouble=error.code)
            self._warn(self.seen[name].standing)

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

    def _warn(self, standing: StandingSeen) -> None:
        if standing.too_new and not self._told:
            self._told = True
            self._outdated(standing.too_new)
