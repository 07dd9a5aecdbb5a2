"""What a shard in memory knows of the others."""

import threading

from perdure.adapters.memory.store import MemoryStore
from perdure.log.roster import Roster


class MemoryRoster:
    """``RosterStore`` beside a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        """Begin without a name; tenants and runs of ``store`` count as placed here."""
        self._store: MemoryStore = store
        self._guard: threading.Lock = threading.Lock()
        self._roster: Roster = Roster(None, frozenset())
        self._placed: dict[str, str] = {}

    def look(self) -> Roster:
        with self._guard:
            return self._roster

    def introduce(self, name: str, known: frozenset[str]) -> Roster:
        with self._guard:
            if self._roster.name in (None, name):
                self._roster = Roster(name, self._roster.known | known)
            return self._roster

    def placed(self, what: str) -> str | None:
        kind, _, name = what.partition(":")
        with self._guard:
            here = any((row.tenant if kind == "tenant" else row.run) == name for row in self._store.rows())
            return self._placed.get(what) or (self._roster.name if here else None)

    def place(self, what: str, where: str, known: frozenset[str]) -> str | None:
        with self._guard:
            return self._placed.setdefault(what, where) if self._agrees(known) else None

    def _agrees(self, known: frozenset[str]) -> bool:
        return self._roster.known == known
