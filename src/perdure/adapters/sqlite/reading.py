"""Reading events and runs: a fork's prefix is its ancestors' rows, never copies of them.

Invariant: an event is returned only if its digest follows from the one before it.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, cast

import apsw
import msgspec

from perdure.adapters.sqlite.database import Database, ask, ask_one, text, text_or_none, whole, whole_or_none
from perdure.adapters.sqlite.heads import digest_at, end_of
from perdure.log.envelope import Stored
from perdure.log.port import Holder, RunRow
from perdure.values.errors import StoreDamaged, UnknownRun

_RUN = "SELECT number, name, parent, forked_at FROM runs WHERE name = ?"
_RUN_BY_NUMBER = "SELECT number, name, parent, forked_at FROM runs WHERE number = ?"
_EVENTS = """
SELECT position, frame, digest FROM events WHERE run = ? AND position > ? AND position <= ?
ORDER BY position LIMIT ?
"""
_ROWS = """
SELECT r.number, r.name, r.lineage, r.tenant, p.name, r.forked_at, r.epoch, r.status, r.holder, r.wake, r.created
FROM runs r LEFT JOIN runs p ON p.number = r.parent
"""
_ENDLESS = (1 << 62) - 1


class Stretch(NamedTuple):
    """Positions past ``after`` up to ``last`` stand under this run's number."""

    number: int
    name: str
    after: int
    last: int


def number_of(db: Database, run: str) -> int:
    """Return the run's number, or raise ``UnknownRun``."""
    row = ask_one(db, _RUN, (run,))
    if row is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    return whole(row[0])


def stretches(db: Database, run: str) -> list[Stretch]:
    """Return where the run's events stand, the oldest ancestor's first."""
    row = ask_one(db, _RUN, (run,))
    if row is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    found: list[Stretch] = []
    last = _ENDLESS
    while row is not None:
        number, name, parent, forked_at = row
        if last > whole(forked_at):
            found.append(Stretch(whole(number), text(name), whole(forked_at), last))
        last = min(last, whole(forked_at))
        row = None if parent is None else ask_one(db, _RUN_BY_NUMBER, (parent,))
    return found[::-1]


def read_events(db: Database, run: str, after: int, limit: int) -> Sequence[Stored]:
    """Return up to ``limit`` events past ``after``, each checked against the one before."""
    try:
        return _read(db, run, after, limit)
    except apsw.CorruptError as error:
        at = _first_unreadable(db, run, after, limit)
        raise StoreDamaged(f"{run} at {at}: the event can't be read: {error}") from error


def _first_unreadable(db: Database, run: str, after: int, limit: int) -> int:
    for before in range(after, after + limit):
        try:
            _read(db, run, before, 1)
        except apsw.CorruptError:
            return before + 1
    return after + 1


def _read(db: Database, run: str, after: int, limit: int) -> Sequence[Stored]:
    found: list[Stored] = []
    parts = stretches(db, run)
    prev = digest_at(db, parts[-1].number, after) if after else bytes(32)
    for part in parts:
        if part.last <= after or len(found) >= limit:
            continue
        first = max(after, part.after)
        rows = db.execute(_EVENTS, (part.number, first, part.last, limit - len(found))).fetchall()
        # The door is wide here because the chain itself proves what comes through it.
        prev = _take(part, first, cast("list[tuple[int, bytes, bytes]]", rows), prev, found)
        if part.last != _ENDLESS and len(found) < limit and _end(found, after) != part.last:
            raise StoreDamaged(f"{run}: events of {part.name} up to {part.last} are gone")
    return found


def _end(found: list[Stored], after: int) -> int:
    return found[-1].position if found else after


def _take(
    part: Stretch, after: int, rows: list[tuple[int, bytes, bytes]], prev: bytes, found: list[Stored]
) -> bytes:
    """Add the events of ``rows`` to ``found`` and return the last one's digest."""
    sha256, name, digest_before = hashlib.sha256, part.name, prev
    # Positions are unique and in order, so the ends tell whether there are gaps.
    if rows and (rows[0][0] != after + 1 or rows[-1][0] != after + len(rows)):
        raise _first_wrong(name, after, rows, digest_before)
    for _, frame, digest in rows:
        if sha256(prev + frame).digest() != digest:
            raise _first_wrong(name, after, rows, digest_before)
        prev = digest
    found += [Stored(name, position, frame, digest) for position, frame, digest in rows]
    return prev


def _first_wrong(name: str, after: int, rows: list[tuple[int, bytes, bytes]], prev: bytes) -> StoreDamaged:
    due = after
    for position, frame, digest in rows:
        due += 1
        if position != due:
            return StoreDamaged(f"{name} at {due}: the event is gone; the next is {position}")
        if hashlib.sha256(prev + frame).digest() != digest:
            break
        prev = digest
    return StoreDamaged(f"{name} at {due}: the event isn't what was written, or the one before")


def read_rows(
    db: Database, run: str | None, family: str | None = None, newest: int | None = None
) -> Sequence[RunRow]:
    """Return the run's row, those of a lineage, or all of them, oldest first; or only the ``newest`` of them."""
    most = -1 if newest is None else newest
    if run is not None:
        rows = ask(db, _ROWS + "WHERE r.name = ?", (run,))
    elif family is not None:
        rows = ask(db, _ROWS + "WHERE r.lineage = ? ORDER BY r.number DESC LIMIT ?", (family, most))
    else:
        rows = ask(db, _ROWS + "ORDER BY r.number DESC LIMIT ?", (most,))
    found: list[RunRow] = []
    for number, name, lineage, tenant, parent, forked_at, epoch, status, holder, wake, created in reversed(
        list(rows)
    ):
        position, head = end_of(db, whole(number), whole(forked_at))
        found.append(
            RunRow(
                text(name),
                text(lineage),
                text(tenant),
                text_or_none(parent),
                whole(forked_at),
                position,
                head,
                whole(epoch),
                text(status),
                holder_of(text_or_none(holder)),
                whole_or_none(wake),
                whole(created),
            )
        )
    return found


def holder_of(json: str | None) -> Holder | None:
    return None if json is None else msgspec.json.decode(json, type=Holder)
