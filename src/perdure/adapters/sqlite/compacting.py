"""Giving free pages back to the file system: the whole file is written anew, in one transaction."""

import os
import shutil
from pathlib import Path

import apsw
import msgspec

from perdure.adapters.sqlite.database import number
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.opening import Opened, close_untouched
from perdure.adapters.sqlite.recovery import mark_unsynced
from perdure.values.errors import BadInput, Busy, PerdureError, StoreReadOnly

_SPARE = 64 << 20


class Compacted(msgspec.Struct, frozen=True):
    """The log's file before and after, in bytes."""

    before: int
    after: int
    needed: int
    """free bytes that it took for the time being"""


def compact(opened: Opened, setup: Setup) -> Compacted:
    """The log's file holds no free pages any more; ``opened`` is closed.

    Takes twice what the file holds for the time being: in the write-ahead log, and in a temporary file.
    Raises ``BadInput`` if that isn't free, ``Busy`` if others hold the store.
    """
    db, turnstile, places, _ = opened
    try:
        before = places.log.stat().st_size
        pages = number(db, "PRAGMA page_count") - number(db, "PRAGMA freelist_count")
        held = pages * number(db, "PRAGMA page_size")
        needed = 2 * held + _SPARE
        for place in (places.directory, _temporary()):
            free = shutil.disk_usage(place).free
            if free < needed:
                raise BadInput(
                    f"compacting takes {needed:,} bytes for the time being, and {place} has {free:,}",
                    hint="free some space; without compacting, free pages are used again",
                )
        db.set_busy_handler(None)
        db.set_busy_timeout(int(setup.busy_seconds * 1000))
        db.execute("VACUUM")
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.Error, OSError, PerdureError) as error:
        told = said(error, "compacting")
        if not isinstance(told, Busy | StoreReadOnly | BadInput):
            mark_unsynced(places)
        close_untouched(db)
        turnstile.close()
        raise told from error
    db.close()
    turnstile.close()
    return Compacted(before, places.log.stat().st_size, needed)


def _temporary() -> Path:
    """Return where SQLite puts its temporary files."""
    named = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/tmp")  # noqa: S108 - SQLite's own
    return next(Path(place) for place in named if place and Path(place).is_dir())
