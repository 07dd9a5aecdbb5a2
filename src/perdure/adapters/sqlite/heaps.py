"""How much is reached, and how much isn't; and a collection tried without taking anything away."""

import time

from perdure.adapters.sqlite.blobs import blob_directories, condemns, named_by
from perdure.adapters.sqlite.database import Database, ask, ask_one, raw, whole
from perdure.adapters.sqlite.layout import Places, size_of
from perdure.adapters.sqlite.marking import Marking
from perdure.adapters.sqlite.usage import in_use
from perdure.log.garbage import Collected, Heap, Tell, in_all

UNREACHED = "NOT EXISTS (SELECT 1 FROM temp.reached r WHERE r.digest = b.digest)"
_REACHED = "EXISTS (SELECT 1 FROM temp.reached r WHERE r.digest = b.digest)"
_CONDEMNED = "{} AND EXISTS (SELECT 1 FROM condemned c WHERE c.number = b.number AND c.at <= {})"
_SUM = "SELECT count(*), coalesce(sum(length(b.content)), 0) FROM blobs b WHERE "
_FILES = "SELECT b.digest FROM blobs b WHERE b.form = 2 AND "
_HAS_ROW = "SELECT 1 FROM blobs WHERE digest = ?"


def reached_heap(db: Database, places: Places) -> Heap:
    """Return what the marks of this connection reach."""
    return _heap(db, places, _REACHED)


def unreached_heap(db: Database, places: Places) -> Heap:
    """Return what the marks of this connection don't reach."""
    return _heap(db, places, UNREACHED)


def tried(db: Database, places: Places, tell: Tell, grace_seconds: float) -> Collected:
    """Return what a collection would take away now; nothing is written."""
    Marking(db, places, tell).advance()
    used = in_use(places.usage)
    unreached = unreached_heap(db, places)
    taken = unreached
    if used:
        until = time.time_ns() - int(grace_seconds * 1e9)
        taken = _heap(db, places, _CONDEMNED.format(UNREACHED, until)) if condemns(db) else Heap()
    return Collected(reached_heap(db, places), unreached, taken, _strays(db, places), used, trial=True)


def _heap(db: Database, places: Places, which: str) -> Heap:
    ((blobs, log_bytes),) = ask(db, _SUM + which)
    files = file_bytes = 0
    for (name,) in ask(db, _FILES + which):
        files += 1
        file_bytes += size_of(places.blob(raw(name).hex())) or 0
    return Heap(whole(blobs), whole(log_bytes), files, file_bytes)


def _strays(db: Database, places: Places) -> Heap:
    found = Heap()
    for directory in blob_directories(places):
        for file in directory.iterdir():
            name = named_by(file)
            if name is not None and ask_one(db, _HAS_ROW, (name,)) is None:
                found = in_all(found, Heap(files=1, file_bytes=size_of(file) or 0))
    return found
