"""Making sure of a write-ahead log whose sync has failed.

After a failed sync the system may hold pages that it takes for written and that never reached the
disk. A process that opens the file later would build on them, and a power cut would then cut its own
commits off as well. So whoever fails leaves a mark, and whoever opens next writes those bytes again.
"""

import os

from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.layout import Places
from perdure.adapters.sqlite.turnstile import Turnstile

_CHUNK = 1 << 20


def mark_unsynced(places: Places) -> None:
    """Whoever opens next makes sure of the write-ahead log. As durable as what it warns of: not."""
    try:
        places.unsynced.touch()
    except OSError:
        return


def make_sure(db: Database, places: Places, turnstile: Turnstile) -> None:
    """If a sync has failed here, the write-ahead log is now what the system says it is."""
    if not places.unsynced.exists():
        return
    # Nobody else appends to the file or starts it over while we hold the write lock.
    turnstile.begin(db)
    try:
        _write_again(places)
        places.unsynced.unlink(missing_ok=True)
    finally:
        db.execute("ROLLBACK")


def _write_again(places: Places) -> None:
    if not places.wal.exists():
        return
    with places.wal.open("r+b", buffering=0) as file:
        at = 0
        while chunk := os.pread(file.fileno(), _CHUNK, at):
            os.pwrite(file.fileno(), chunk, at)
            at += len(chunk)
        os.fsync(file.fileno())
