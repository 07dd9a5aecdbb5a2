"""What a person says of a store that failed over or was restored, and what that changes.

Invariants:
- An answer says which claims are missing: none, these, or those that a witness knows. Without one, each run that isn't
  finished stays suspended until somebody has answered for it, and so does its lineage.
- While a run of a tenant is doubtful, no act begins that is told apart in the whole tenant.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg

from perdure.adapters.postgres.failover.losses import LostClaim, fence, put_back, write_down, write_lost
from perdure.adapters.postgres.failover.sealing import Facts, Gone, Seal, ServerLife, read_seal
from perdure.values.errors import BadInput, UnknownRun

Database = psycopg.Connection[tuple[object, ...]]

_HERE: Final = """
SELECT (pg_control_system()).system_identifier::text,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
    has_function_privilege('pg_stat_file(text)', 'execute'),
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""
_ANCHOR: Final = "SELECT (pg_stat_file('PG_VERSION')).modification::text"
_MOVE: Final = """
UPDATE seal SET system = %s, timeline = %s, anchor = %s, database = %s, stamp = pg_current_xact_id()
"""
_RECORD: Final = """
INSERT INTO failovers (was_system, was_timeline, system, timeline, lsn, lossy, by, why)
VALUES (%s, %s, %s, %s, pg_current_wal_lsn()::text, %s, %s, %s)
"""
_DOUBT_ALL: Final = """
INSERT INTO doubtful (run, why)
SELECT number, %s FROM runs WHERE status NOT IN ('finished', 'failed', 'cancelled') OR holder IS NOT NULL
ON CONFLICT (run) DO NOTHING
"""
_ANSWERED: Final = """
DELETE FROM doubtful WHERE run = (SELECT number FROM runs WHERE name = %s) RETURNING run
"""
_FAILOVERS: Final = """
SELECT number, at::text, was_timeline, timeline, lsn, lossy, by, why FROM failovers ORDER BY number
"""
_LOST: Final = "SELECT key, run, tool, position, outcome, told_by, put_back FROM lost ORDER BY run, position"
_DOUBTFUL: Final = """
SELECT r.name, d.why FROM doubtful d JOIN runs r ON r.number = d.run ORDER BY r.number LIMIT %s
"""


class Failover(NamedTuple):
    """The store went on on another server, or on another timeline."""

    number: int
    at: str
    was_timeline: int
    timeline: int
    lsn: str
    lossy: bool
    """whether acknowledged events may be missing since"""
    by: str
    """who said what is missing"""
    why: str


class Missed(NamedTuple):
    """A claim that is known to be missing, or was, until it was put back."""

    key: str
    run: str
    tool: str
    position: int
    outcome: str | None
    told_by: str
    put_back: bool


class Released(NamedTuple):
    """What a release has changed."""

    put_back: int
    """claims that stand among the others again, open unless somebody knows how they ended"""
    doubtful: int
    """runs of which it has to be said yet whether claims are missing"""


class Testimony(NamedTuple):
    """What a person, or a witness that they name, says to be missing."""

    missing: Sequence[LostClaim] = ()
    known: bool = False
    """whether that is all; else every run has to be answered for"""
    gone: Gone = Gone()
    """what a witness says"""


def release(db: Database, by: str, answer: Testimony) -> Released:
    """Within a transaction: ``by`` says that this copy is the one that counts, and what is missing from it."""
    seal, (here, database, anchor) = read_seal(db), _here(db)
    db.execute(_MOVE, (here.system, here.timeline, anchor, database))
    why = seal.suspended or _moved(seal, here)
    db.execute(_RECORD, (seal.system, seal.timeline, here.system, here.timeline, True, by, why))
    fence(db)
    write_down(db, answer.gone, by)
    for lost in answer.missing:
        write_lost(db, lost, by)
    back = put_back(db)
    doubtful = 0
    if answer.known:
        db.execute("DELETE FROM doubtful")
    else:
        doubtful = db.execute(_DOUBT_ALL, (why,)).rowcount
    db.execute("UPDATE store SET suspended = NULL, released = %s", (by,))
    return Released(back, doubtful)


def answer_for(db: Database, run: str, by: str, answer: Testimony, *, again: bool = False) -> Released:
    """Within a transaction: ``by`` says which claims of ``run`` are missing. Raises ``UnknownRun``, ``BadInput`` if nobody asks that.

    Said ``again``, since its answer was lost, it may have been heard the first time.
    """
    known = db.execute("SELECT number FROM runs WHERE name = %s", (run,)).fetchone()
    if known is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    if not db.execute(_ANSWERED, (run,)).fetchall() and not again:
        raise BadInput(f"nothing is asked of run {run!r}: it may be driven", hint="leave --run out")
    for lost in answer.missing:
        write_lost(db, lost, by)
    return Released(put_back(db), 0)


def declare(db: Database, *, synchronous: bool) -> None:
    """Every commit of this store must have reached a standby before it is acknowledged, or need not.

    Raises ``BadInput`` where the server waits for none.
    """
    waits = db.execute("SELECT current_setting('synchronous_standby_names') <> ''").fetchone()
    if synchronous and (waits is None or waits[0] is not True):
        raise BadInput(
            "this server's commits wait for no standby",
            hint="set synchronous_standby_names on the server and reload it, then say this again",
        )
    db.execute("UPDATE seal SET synchronous = %s, stamp = pg_current_xact_id()", (synchronous,))


def failovers_of(db: Database) -> Sequence[Failover]:
    """Return every time that the store went on elsewhere, oldest first."""
    return [
        Failover(_int(number), str(at), _int(was), _int(timeline), str(lsn), lossy is True, str(by), str(why))
        for number, at, was, timeline, lsn, lossy, by, why in db.execute(_FAILOVERS)
    ]


def missed_of(db: Database) -> Sequence[Missed]:
    """Return the claims that were found missing."""
    return [
        Missed(
            str(key), str(run), str(tool), _int(at), None if end is None else str(end), str(who), back is True
        )
        for key, run, tool, at, end, who, back in db.execute(_LOST)
    ]


def doubtful_of(db: Database, most: int) -> Sequence[tuple[str, str]]:
    """Return up to ``most`` runs of which nobody has said yet whether claims are missing, and why that is asked."""
    return [(str(run), str(why)) for run, why in db.execute(_DOUBTFUL, (most,))]


def _here(db: Database) -> Facts:
    row = db.execute(_HERE).fetchone()
    if row is None:
        raise BadInput("the server says nothing of itself")
    anchor = db.execute(_ANCHOR).fetchone() if row[2] is True else None
    shown = None if anchor is None else str(anchor[0])
    return Facts(ServerLife(str(row[0]), _int(row[1]), ""), _int(row[3]), shown)


def _moved(seal: Seal, here: ServerLife) -> str:
    if not seal.sound:
        return "restored from a dump"
    if seal.system != here.system:
        return "another cluster"
    if seal.timeline != here.timeline:
        return f"timeline {here.timeline} after {seal.timeline}"
    return "said so, though nothing looked amiss"


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
