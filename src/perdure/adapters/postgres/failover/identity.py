"""Whose store is at the other end of a connection, and whether that server holds all that was acknowledged.

Invariants:
- The seal names the server (system and timeline) on which the store went on last. On any other one, or where a
  dump brought the seal here, no run may be driven until somebody who knows has said what is missing.
- That follows from what is seen at each commit. Nobody has to write it down first, so nobody can be too late.
- A server on an older timeline than this process has seen is an old primary: nothing is read from it or written.
- Whoever lived through a failover may vouch for it only where the store is synchronous, where all that it was
  told is durable is there, and where it was told so moments before the old server was gone.
"""

from typing import Final

import psycopg

from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.losses import accept, is_admitted, suspend
from perdure.adapters.postgres.failover.outside import compared
from perdure.adapters.postgres.failover.sealing import Facts, Gone, Seal, ServerLife, read_seal
from perdure.adapters.postgres.wire import Row, Statement, read_bool, read_int, read_text
from perdure.values.errors import OldPrimary, StoreDamaged, Suspended, Unreplicated, Unwitnessed
from perdure.values.limits import LOSSES_NAMED_MAX

Database = psycopg.Connection[tuple[object, ...]]

_FACTS: Final = """
SELECT (pg_control_system()).system_identifier::text, pg_postmaster_start_time()::text,
    CASE WHEN pg_is_in_recovery() THEN NULL
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END,
    to_regclass('seal') IS NOT NULL, has_function_privilege('pg_stat_file(text)', 'execute'),
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""
_ANCHOR: Final = "SELECT (pg_stat_file('PG_VERSION')).modification::text"
_ANCHORED: Final = """
UPDATE seal SET anchor = %s, stamp = pg_current_xact_id() WHERE anchor IS NULL AND timeline = %s
"""
_SEEN_BY: Final = """
UPDATE seal SET witnessed = %s, stamp = pg_current_xact_id() WHERE witnessed IS NULL AND timeline = %s
"""

GUARD: Final = Statement(
    "SELECT system, timeline, sound, now, synchronous, waits, witnessed, fenced, suspended, doubts FROM standing",
    (),
    (
        read_text,
        read_int,
        read_bool,
        read_int,
        read_bool,
        read_bool,
        read_text,
        read_int,
        read_text,
        read_bool,
    ),
)
"""What every commit looks at before it writes; see ``checked``."""

REPLICATED: Final = Statement("SELECT NOT synchronous OR waits FROM standing", (), (read_bool,))
"""What a group looks at once more right after its commit: the server may have stopped waiting meanwhile."""


def look(db: Database, known: Known | None) -> Known:
    """Return what is known now. Raises ``OldPrimary`` where this server was left behind.

    What is missing on a server that wasn't seen before is written down; the runs can be read all the same.
    """
    known = known or Known()
    facts = db.execute(_FACTS).fetchone()
    if facts is None:
        raise StoreDamaged("the server says nothing of itself")
    system, started, timeline, sealed, stats, database = facts
    if not isinstance(timeline, int) or sealed is not True:
        return known
    here = ServerLife(str(system), timeline, str(started))
    if known.place is not None and here.system == known.place.system and timeline < known.place.timeline:
        raise OldPrimary(_left_behind(timeline, known.place))
    if here != known.place:
        anchor = _text(db, _ANCHOR) if stats is True else None
        shown = Facts(here, database if isinstance(database, int) else 0, anchor)
        _arrive(db, known, shown, read_seal(db))
        known.place = here
    return known


def doubt_of(seal: Seal, facts: Facts) -> str | None:
    """Return why this may not hold all that was acknowledged, or None."""
    doubt = _seen_always(seal, facts.place)
    if doubt is not None:
        return doubt
    if seal.database != facts.database:
        return "this is another database than the store's: it looks like a copy or a restored backup"
    if seal.anchor is not None and facts.anchor is not None and seal.anchor != facts.anchor:
        return "the server's directory is another one than the store's: it looks like a restored base backup"
    return None


def _seen_always(seal: Seal, here: ServerLife) -> str | None:
    """Return what each commit shows as well, so that it need not be written down."""
    if not seal.sound:
        return "these tables were restored from a dump, or copied by one: what was promised since is missing here"
    if seal.system != here.system:
        return "this is another cluster than the store's: it looks like a copy or a restored backup"
    if seal.timeline != here.timeline:
        return (
            f"the server is on timeline {here.timeline}, and the store was last driven on {seal.timeline}: a standby was "
            "promoted, or the server was restored to an earlier time"
        )
    return None


def checked(row: Row, known: Known, *, claims: bool) -> int:
    """Return the epoch up to which writers are fenced, from the row of ``GUARD``.

    Raises ``Suspended``, ``Unreplicated``, or ``Unwitnessed`` where a batch with ``claims`` would not be told to the
    witness.
    """
    system, timeline, sound, now, synchronous, waits, witnessed, fenced, suspended, _ = row
    place = known.place
    if place is not None and isinstance(now, int) and system == place.system and now < place.timeline:
        raise OldPrimary(_left_behind(now, place))
    if isinstance(suspended, str):
        raise Suspended(f"no run may be driven here: {suspended}")
    here = ServerLife(place.system if place else str(system), now if isinstance(now, int) else 0, "")
    was = timeline if isinstance(timeline, int) else 0
    seal = Seal(str(system), was, None, sound is True, synchronous is True, None, None, "", 0)
    doubt = _seen_always(seal, here)
    if doubt is not None:
        raise Suspended(f"no run may be driven here: {doubt}")
    if synchronous and not waits:
        raise Unreplicated("the store is declared synchronous, and the server's commits wait for no standby")
    if claims and isinstance(witnessed, str) and not known.tells_claims:
        raise Unwitnessed(
            f"the claims of this store are told to a witness, {witnessed}, which was not named here"
        )
    return fenced if isinstance(fenced, int) else 0


def has_doubts(row: Row) -> bool:
    """Whether there are runs of which nobody has said yet whether claims are missing, from the row of ``GUARD``."""
    return row[-1] is True


def ground(db: Database, known: Known) -> int:
    """Return the epoch up to which writers are fenced. Raises ``Suspended``, ``Unreplicated``."""
    found = db.execute(GUARD.text.encode()).fetchone()
    if found is None:
        raise StoreDamaged("the store's own row is gone")
    row = [each if isinstance(each, int | str | bytes | bool) else None for each in found]
    return checked(tuple(row), known, claims=False)


def wait_for_standby(db: Database) -> None:
    """Within a transaction that somebody is told of: its commit waits for a standby where it has to.

    Raises ``Unreplicated`` if it wouldn't.
    """
    row = db.execute(REPLICATED.text.encode()).fetchone()
    if row is None or row[0] is not True:
        raise Unreplicated("the store is declared synchronous, and the server's commits wait for no standby")


def check_replicated(row: Row) -> None:
    """Raise ``Unreplicated`` where the server may have committed without waiting for a standby."""
    if row[0] is not True:
        raise Unreplicated(
            "the server has stopped waiting for a standby: it is not known whether one has the commit"
        )


def _arrive(db: Database, known: Known, facts: Facts, seal: Seal) -> None:
    """Settle what a server that this process has not seen before lacks."""
    here, witness = facts.place, known.witness
    doubt = doubt_of(seal, facts)
    gone = known.gone(db)
    told = None if witness is None else compared(db, witness, here, seal)
    if told is not None:
        gone = gone.and_of(told.gone)
    if told is not None and told.complete and (_is_promoted(seal, here) or (gone and not doubt)):
        # Of any other copy only a person knows whether the original is still used.
        why = doubt or "the server holds less than it did"
        accept(db, seal, facts, gone, by=f"the witness {told.name}", why=why, lossy=True)
    elif doubt is None and gone and is_admitted(db, gone, here):
        # Whoever comes late with what was said already stops nobody.
        pass
    elif gone or (doubt is not None and _seen_always(seal, here) is None):
        suspend(db, explained(doubt, gone), gone, known.process)
    elif doubt is None:
        _seal_more(db, known, facts, seal)
    elif _may_go_on(seal, here) and known.vouches(db):
        by = f"{known.process}, which lived through it"
        accept(db, seal, facts, gone, by=by, why=doubt, lossy=False)
    if told is not None and witness is not None and (told.complete or not doubt):
        witness.arrived(here)
    known.forget(gone)


def _may_go_on(seal: Seal, here: ServerLife) -> bool:
    """Whether a promotion can have lost nothing, so that whoever lived through it may vouch for it."""
    return _is_promoted(seal, here) and seal.synchronous and seal.suspended is None


def _is_promoted(seal: Seal, here: ServerLife) -> bool:
    """Whether this is the store's own cluster, gone on on a timeline of its own."""
    return seal.sound and seal.system == here.system and seal.timeline < here.timeline


def _seal_more(db: Database, known: Known, facts: Facts, seal: Seal) -> None:
    """What wasn't known of the store's server and witness before stands in the seal."""
    timeline, witness = facts.place.timeline, known.witness
    if facts.anchor is not None and seal.anchor is None:
        db.execute(_ANCHORED, (facts.anchor, timeline))
    if witness is not None and known.tells_claims and seal.witnessed is None:
        db.execute(_SEEN_BY, (witness.name, timeline))


def _left_behind(timeline: int, place: ServerLife) -> str:
    return (
        f"this server is on timeline {timeline}, and the store has gone on on timeline {place.timeline}: an old primary "
        "has come back"
    )


def explained(doubt: str | None, gone: Gone) -> str:
    """Return in words what is known to be missing."""
    parts = [doubt or "the server holds less than it did: it was restored from a backup or a snapshot"]
    parts += [
        f"run {head.run} had been acknowledged up to position {head.position}"
        for head in gone.heads[:LOSSES_NAMED_MAX]
    ]
    parts += [
        f"{claim.tool} (key {claim.key[:12]}) of run {claim.run} at {claim.position} had begun"
        for claim in gone.claims[:LOSSES_NAMED_MAX]
    ]
    more = len(gone.heads) + len(gone.claims) - (len(parts) - 1)
    return "; ".join((*parts, f"and {more} more") if more else parts)


def _text(db: Database, sql: str) -> str | None:
    row = db.execute(sql.encode()).fetchone()
    return None if row is None or row[0] is None else str(row[0])
