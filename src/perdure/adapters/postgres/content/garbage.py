"""How much is reached, how much isn't, and what waits here for the object store."""

from typing import Final, NamedTuple

from perdure.adapters.postgres.columns import raw, whole
from perdure.adapters.postgres.content.blobs import OUTSIDE
from perdure.adapters.postgres.content.frames import index_of
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.garbage import Heap, in_all

REACHED: Final = "EXISTS (SELECT FROM pg_temp.reached r WHERE r.digest = b.digest)"
UNREACHED: Final = f"NOT {REACHED}"

PAGE: Final = 1000

_HEAP: Final = """
SELECT digest, form, octet_length(content),
    CASE form WHEN 2 THEN content END,
    CASE form WHEN 3 THEN (SELECT sum(octet_length(f.content))::bigint FROM frames f WHERE f.digest = b.digest) END
FROM blobs b WHERE {} AND (b.digest > %s) ORDER BY b.digest LIMIT %s
"""
_WAITING: Final = """
SELECT count(DISTINCT digest), coalesce(sum(octet_length(content)), 0)::bigint FROM frames
"""


class Unmoved(NamedTuple):
    """Large blobs that are kept here until the object store takes them."""

    blobs: int
    bytes: int


def heap(db: Database, which: str) -> Heap:
    """Return the blobs for which ``which`` holds, a condition on ``blobs b``."""
    found, after = Heap(), b""
    statement = _HEAP.format(which).encode()
    while rows := db.execute(statement, (after, PAGE), binary=True).fetchall():
        for row in rows:
            found = in_all(found, heap_of(whole(row[1]), whole(row[2]), row[3], row[4]))
        after = raw(rows[-1][0])
    return found


def heap_of(form: int, row_bytes: int, index: object, here_bytes: object) -> Heap:
    """Return one blob: what its row takes, and its object or its pieces beside it."""
    if form == OUTSIDE:
        return Heap(1, row_bytes, 1, sum(index_of(raw(index)).lengths))
    return Heap(1, row_bytes + (whole(here_bytes) if here_bytes is not None else 0))


def waiting(db: Database) -> Unmoved:
    """Return what waits here for the object store."""
    row = db.execute(_WAITING, binary=True).fetchone()
    return Unmoved(0, 0) if row is None else Unmoved(whole(row[0]), whole(row[1]))
