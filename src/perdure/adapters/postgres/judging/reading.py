"""Reading events and runs: a fork's prefix is its ancestors' rows, never copies of them.

Invariants:
- An event is returned only if its digest follows from the one before it.
- A stream that ends before the position its row tells of is damaged, not short.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import msgspec

from perdure.adapters.postgres.columns import asked, asked_one
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.envelope import GENESIS, Stored
from perdure.log.port import Holder, RunRow
from perdure.values.errors import StoreDamaged, UnknownRun

_STRETCHES: Final = """
WITH RECURSIVE line (number, name, parent, forked_at, last, depth) AS (
    SELECT number, name, parent, forked_at, position, 0 FROM runs WHERE name = %s
    UNION ALL
    SELECT r.number, r.name, r.parent, r.forked_at, least(l.last, l.forked_at), l.depth + 1
    FROM line l JOIN runs r ON r.number = l.parent
)
SELECT number, name, forked_at, last FROM line ORDER BY depth DESC
"""
_NUMBER: Final = "SELECT number FROM runs WHERE name = %s"
_EVENTS: Final = """
SELECT position, frame, digest FROM events WHERE run = %s AND position > %s AND position <= %s
ORDER BY position LIMIT %s
"""
_DIGEST: Final = "SELECT digest FROM events WHERE run = %s AND position = %s"
_ROWS: Final = """
SELECT r.name, r.lineage, r.tenant, p.name, r.forked_at, r.position, r.head, r.epoch, r.status, r.holder, r.wake,
    r.created
FROM runs r LEFT JOIN runs p ON p.number = r.parent
"""


class Stretch(NamedTuple):
    """Positions past ``after`` up to ``last`` stand under this run's number."""

    number: int
    name: str
    after: int
    last: int


class _Event(NamedTuple):
    position: int
    frame: bytes
    digest: bytes


def number_of(db: Database, run: str) -> int:
    """Return the run's number, or raise ``UnknownRun``."""
    number = asked_one(db, int, _NUMBER, (run,))
    if number is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    return number


def stretches(db: Database, run: str) -> list[Stretch]:
    """Return where the run's events stand, the oldest ancestor's first."""
    parts = asked(db, Stretch, _STRETCHES, (run,))
    if not parts:
        raise UnknownRun(f"there is no run {run!r} in this store")
    return [part for part in parts if part.last > part.after or part is parts[-1]]


def read_events(db: Database, run: str, after: int, limit: int) -> Sequence[Stored]:
    """Return up to ``limit`` events past ``after``, each checked against the one before."""
    found: list[Stored] = []
    parts = stretches(db, run)
    prev = digest_at(db, parts, after)
    for part in parts:
        if part.last <= after or len(found) >= limit:
            continue
        first = max(after, part.after)
        rows = asked(db, _Event, _EVENTS, (part.number, first, part.last, limit - len(found)))
        prev = _take(part, first, rows, prev, found)
        if len(found) < limit and (found[-1].position if found else after) != part.last:
            raise StoreDamaged(f"{run}: events of {part.name} up to {part.last} are gone")
    return found


def digest_at(db: Database, parts: Sequence[Stretch], position: int) -> bytes:
    """Return the digest of the event at ``position``, in the stretch that holds it."""
    for part in parts if position else ():
        if part.after < position <= part.last:
            found = asked_one(db, bytes, _DIGEST, (part.number, position))
            if found is None:
                raise StoreDamaged(f"{part.name} at {position}: the event is gone")
            return found
    return GENESIS


def _take(part: Stretch, after: int, rows: Sequence[_Event], prev: bytes, found: list[Stored]) -> bytes:
    """Add the events of ``rows`` to ``found`` and return the last one's digest."""
    sha256, name, due = hashlib.sha256, part.name, after
    for position, frame, digest in rows:
        due += 1
        if position != due:
            raise StoreDamaged(f"{name} at {due}: the event is gone; the next is {position}")
        if sha256(prev + frame).digest() != digest:
            raise StoreDamaged(f"{name} at {due}: the event isn't what was written, or the one before")
        prev = digest
        found.append(Stored(name, position, frame, digest))
    return prev


def read_rows(
    db: Database, run: str | None, lineage: str | None = None, newest: int | None = None
) -> Sequence[RunRow]:
    """Return the run's row, those of a lineage, or all of them, oldest first; or only the ``newest`` of them."""
    if run is not None:
        rows = asked(db, RunRow, _ROWS + "WHERE r.name = %s", (run,))
    elif lineage is not None:
        rows = asked(
            db, RunRow, _ROWS + "WHERE r.lineage = %s ORDER BY r.number DESC LIMIT %s", (lineage, newest)
        )
    else:
        rows = asked(db, RunRow, _ROWS + "ORDER BY r.number DESC LIMIT %s", (newest,))
    return [row._replace(holder=holder_of(cast("str | None", row.holder))) for row in reversed(rows)]


def holder_of(json: str | None) -> Holder | None:
    return None if json is None else msgspec.json.decode(json, type=Holder)
