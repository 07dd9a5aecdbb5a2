"""What a store may take on disk, and what it takes. Only content ahead of its event is held to it.

Invariant: an event, its claims, and what comes with it in one batch, an outcome above all, are never refused
for room; a workspace's content is, before the disk is full.
"""

import shutil
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from perdure.adapters.sqlite.blobs import blob_directories
from perdure.adapters.sqlite.database import Database, ask_one, number, whole
from perdure.adapters.sqlite.layout import Places, size_of
from perdure.values.errors import StoreFull
from perdure.values.limits import STORE_BYTES_DEFAULT, STORE_WARN_PERCENT

MEASURE_SECONDS: Final = 5.0
"""Between two measurings while there is room; what others write in that time is not seen."""

_NO_LIMIT: Final = -1
_KNOWS_SETTINGS = "SELECT 1 FROM sqlite_schema WHERE name = 'settings'"
_BUDGET = "SELECT value FROM settings WHERE name = 'budget'"
_SET = "INSERT INTO settings VALUES ('budget', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_FORGET = "DELETE FROM settings WHERE name = 'budget'"


class Room(msgspec.Struct, frozen=True):
    """A store's room on disk, in bytes."""

    used: int
    """events, blobs and all else. Pages that are free again don't count, nor does the write-ahead log, which
    has a bound of its own"""
    budget: int | None
    """None where a person said that there is none"""
    chosen: bool
    """whether a person said so"""
    free: int
    """on the file system that holds the store"""

    @property
    def scarce(self) -> bool:
        """Whether it is time to do something."""
        return self.budget is not None and self.used * 100 > self.budget * STORE_WARN_PERCENT

    @property
    def over(self) -> bool:
        """Whether no workspace is recorded any more."""
        return self.budget is not None and self.used > self.budget


def room_of(db: Database, places: Places) -> Room:
    """Measure the store."""
    pages = number(db, "PRAGMA page_count") - number(db, "PRAGMA freelist_count")
    used = pages * number(db, "PRAGMA page_size")
    for directory in blob_directories(places):
        used += sum(size_of(file) or 0 for file in directory.iterdir())
    free = shutil.disk_usage(places.directory).free
    row = ask_one(db, _BUDGET) if ask_one(db, _KNOWS_SETTINGS) else None
    if row is None:
        return Room(used, min(STORE_BYTES_DEFAULT, used + free // 2), chosen=False, free=free)
    return Room(used, None if row[0] == _NO_LIMIT else whole(row[0]), chosen=True, free=free)


def set_budget(db: Database, budget: int | None) -> None:
    """Within a transaction: the store may take ``budget`` bytes; None: as many as there are."""
    db.execute(_SET, (_NO_LIMIT if budget is None else budget,))


def forget_budget(db: Database) -> None:
    """Within a transaction: nobody said what the store may take."""
    db.execute(_FORGET)


class Meter:
    """Counts what one store object puts ahead of events, and measures now and then."""

    def __init__(self, measure: Callable[[], Room], ahead: Callable[[], int]) -> None:
        """Measure with ``measure``; ``ahead`` are the bytes that were taken and aren't written yet."""
        self._measure = measure
        self._ahead = ahead
        self._guard = threading.Lock()
        self._room: Room | None = None
        self._added = 0
        self._until = 0.0

    def take(self, size: int) -> None:
        """There is room for ``size`` bytes more, or ``StoreFull`` is raised."""
        with self._guard:
            room = self._room
            now = time.monotonic()
            if room is None or now > self._until or not _fits(room, self._added + size):
                room = self._room = self._measure()
                self._added, self._until = self._ahead(), now + MEASURE_SECONDS
            if not _fits(room, self._added + size):
                raise StoreFull(
                    f"the store takes {room.used:,} bytes and may take {room.budget:,}: nothing is recorded beyond"
                )
            self._added += size


def _fits(room: Room, size: int) -> bool:
    return room.budget is None or room.used + size <= room.budget
