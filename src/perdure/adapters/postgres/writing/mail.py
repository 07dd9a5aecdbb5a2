"""Which of the runs that are driven here have posts waiting: one look for all of them.

Invariants:
- Asking costs no round trip. An answer is as old as the last look, and our own posts count at once.
- Only runs that somebody asks about are looked for: a million parked ones cost nothing.
"""

import threading
import time
from typing import Final

from perdure.adapters.postgres.columns import text
from perdure.adapters.postgres.link.waiting import Database

_CALLED: Final = """
SELECT r.name FROM unnest(%s::text[]) AS asked (name) JOIN runs r ON r.name = asked.name
CROSS JOIN LATERAL (SELECT 1 FROM inbox i WHERE i.run = r.number AND i.kind IS NOT NULL LIMIT 1) AS one
"""
"""Sideways, so that the server goes from the few runs to their posts, whatever it believes of the tables."""

FORGET_SECONDS: Final = 5.0
"""Who drives a run asks several times a second; one that nobody asked about for so long has come to rest."""


class Mail:
    """Knows which runs have posts."""

    def __init__(self) -> None:
        self._guard: threading.Lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._waiting: set[str] = set()

    def waits(self, run: str) -> bool:
        """Whether a post waited for ``run`` at the last look, or was posted here since; from now on it is looked for."""
        with self._guard:
            self._asked[run] = time.monotonic()
            return run in self._waiting

    def posted(self, run: str) -> None:
        """A post by this process waits for ``run``."""
        with self._guard:
            if run in self._asked:
                self._waiting.add(run)

    def look(self, db: Database) -> None:
        """What ``waits`` answers is as new as this look."""
        since = time.monotonic() - FORGET_SECONDS
        with self._guard:
            self._asked = {run: at for run, at in self._asked.items() if at >= since}
            asked = list(self._asked)
        if not asked:
            return
        found = {text(row[0]) for row in db.execute(_CALLED, (asked,), binary=True)}
        with self._guard:
            self._waiting = found
