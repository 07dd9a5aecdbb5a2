"""Writing down what a server lacks, and putting the claims back that are known to be missing.

Invariants:
- A claim that is put back is open: whatever is equal to it waits until somebody has said how it ended.
- Epochs that were given out before a loss are fenced in one step, all of them: some of them nobody knows any more.
- What a missing claim took of shared counters is taken again, once, with the row that says that it is missing.
- The seal is written as a whole, with the number of the transaction that writes it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import psycopg

from perdure.adapters.postgres.failover.sealing import Facts, Gone, Seal, ServerLife
from perdure.adapters.postgres.wire import TEXT, Many, Statement, read_text
from perdure.log.envelope import GENESIS
from perdure.log.events import ClaimSeen, Content
from perdure.log.port import Batch
from perdure.values.errors import Suspended
from perdure.values.limits import EPOCHS_LOST_MAX

Database = psycopg.Connection[tuple[object, ...]]

_TENANT: Final = "tenant:"

_SUSPEND: Final = """
UPDATE store SET suspended = left(CASE
    WHEN suspended IS NULL THEN %(why)s
    WHEN position(%(why)s IN suspended) > 0 THEN suspended
    ELSE suspended || '; ' || %(why)s END, 4000)
"""
_FENCE: Final = """
UPDATE seal SET stamp = pg_current_xact_id(),
    fenced = greatest(fenced, (SELECT coalesce(max(epoch), 0) FROM runs)) + %s
"""
_MOVE: Final = """
UPDATE seal SET system = %s, timeline = %s, anchor = %s, database = %s,
    stamp = pg_current_xact_id()
WHERE system = %s AND timeline = %s
"""
_RECORD: Final = """
INSERT INTO failovers (was_system, was_timeline, system, timeline, lsn, lossy, by, why)
VALUES (%s, %s, %s, %s, pg_current_wal_lsn()::text, %s, %s, %s)
"""
_ADMITTED: Final = """
SELECT EXISTS (SELECT FROM failovers WHERE lossy AND system = %s AND timeline = %s)
    AND NOT EXISTS (SELECT FROM unnest(%s::text[]) AS g (key) WHERE NOT EXISTS (SELECT FROM lost l WHERE l.key = g.key))
"""
_LOST: Final = """
INSERT INTO lost (key, run, stem, scope, tool, attempt, arguments, loose, position, outcome, result, told_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET outcome = coalesce(lost.outcome, excluded.outcome),
    result = coalesce(lost.result, excluded.result)
RETURNING xmax = 0
"""
_TAKEN: Final = """
INSERT INTO counters (name, used) SELECT name, used FROM unnest(%s::text[], %s::bigint[]) AS t (name, used) ORDER BY name
ON CONFLICT (name) DO UPDATE SET used = counters.used + excluded.used
"""
_RUNS_BACK: Final = """
INSERT INTO runs (name, lineage, tenant, forked_at, created, position, head)
SELECT DISTINCT ON (l.run) l.run,
    CASE WHEN l.scope LIKE 'lineage:%%' THEN substr(l.scope, 9) ELSE l.run END,
    CASE WHEN l.scope LIKE 'tenant:%%' THEN substr(l.scope, 8) ELSE 'default' END,
    0, 0, 0, %s
FROM lost l WHERE NOT l.put_back AND NOT EXISTS (SELECT FROM runs r WHERE r.name = l.run)
ON CONFLICT (name) DO NOTHING
"""
_CLAIMS_BACK: Final = """
INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose, outcome, result)
SELECT l.key, l.stem, l.scope, r.number, l.position, l.tool, l.attempt, l.arguments, l.loose, l.outcome, l.result
FROM lost l JOIN runs r ON r.name = l.run WHERE NOT l.put_back
ON CONFLICT (key) DO NOTHING
"""
_MARKED: Final = "UPDATE lost SET put_back = TRUE WHERE NOT put_back RETURNING key"
_OF_RUN: Final = """
SELECT c.key, c.stem, r.name, c.position, c.tool, c.attempt, c.arguments, c.outcome, c.loose, c.result
FROM lost l JOIN claims c ON c.key = l.key JOIN runs r ON r.number = c.run
WHERE l.run = r.name AND l.put_back AND c.run = %s
ORDER BY c.number
"""
_DOUBTED: Final = """
SELECT d.why FROM doubtful d JOIN runs o ON o.number = d.run
WHERE o.lineage = (SELECT lineage FROM runs WHERE number = %s) LIMIT 1
"""
DOUBTFUL_AMONG: Final = Statement(
    """
    SELECT DISTINCT o.tenant FROM doubtful d JOIN runs o ON o.number = d.run WHERE o.tenant = ANY ($1)
    """,
    (Many(TEXT),),
    (read_text,),
)
"""Which of some tenants have a run of which nobody has said yet whether claims are missing."""


class LostClaim(NamedTuple):
    """A claim that was made and is missing, and how it ended if somebody knows."""

    key: str
    run: str
    stem: str
    scope: str
    tool: str
    attempt: int
    arguments: str
    loose: str = ""
    position: int = 0
    outcome: str | None = None
    result: Content | None = None


def suspend(db: Database, why: str, gone: Gone, told_by: str) -> None:
    """No run may be driven here until somebody releases the store; what is known to be missing is written down."""
    with db.transaction():
        db.execute(_SUSPEND, {"why": why})
        fence(db)
        write_down(db, gone, told_by)


def accept(
    db: Database,
    seal: Seal,
    facts: Facts,
    gone: Gone,
    *,
    by: str,
    why: str,
    lossy: bool,
) -> None:
    """The store goes on on this server: ``by`` knows what is missing, which is put back.

    Nothing happens where somebody else has said so already.
    """
    with db.transaction():
        here = facts.place
        values = (here.system, here.timeline, facts.anchor, facts.database, seal.system, seal.timeline)
        moved = db.execute(_MOVE, values)
        if not moved.rowcount:
            return
        words = (seal.system, seal.timeline, here.system, here.timeline, lossy, by, why)
        db.execute(_RECORD, words)
        if lossy:
            fence(db)
            write_down(db, gone, by)
            put_back(db)
            db.execute("UPDATE store SET suspended = NULL, released = %s", (by,))


def is_admitted(db: Database, gone: Gone, here: ServerLife) -> bool:
    """Whether somebody has said already that this server lacks things, and all these claims were among them."""
    row = db.execute(_ADMITTED, (here.system, here.timeline, [claim.key for claim in gone.claims])).fetchone()
    return row == (True,)


def fence(db: Database) -> None:
    """Within a transaction: no writer that has a run now may append to it any more."""
    db.execute(_FENCE, (EPOCHS_LOST_MAX,))


def write_down(db: Database, gone: Gone, told_by: str) -> None:
    """Within a transaction: these claims are known to be missing; what they took of shared counters is taken again."""
    taken: dict[str, int] = {}
    for run, claim, reserved in gone.claims:
        known = LostClaim(
            claim.key,
            run,
            claim.stem,
            claim.scope,
            claim.tool,
            claim.attempt,
            claim.arguments,
            claim.loose,
            claim.position,
        )
        # Whoever comes with it later takes nothing more.
        for counter, amount in reserved.items() if write_lost(db, known, told_by) else ():
            taken[counter] = taken.get(counter, 0) + amount
    db.execute(_TAKEN, (list(taken), list(taken.values())))


def write_lost(db: Database, lost: LostClaim, told_by: str) -> bool:
    """Within a transaction: this claim is known to be missing; tell whether it wasn't before."""
    result = None if lost.result is None else msgspec.json.encode(lost.result)
    return db.execute(_LOST, (*lost[:10], result, told_by)).fetchone() == (True,)


def put_back(db: Database) -> int:
    """Within a transaction: claims that are missing stand among the others again; return how many were put back."""
    db.execute(_RUNS_BACK, (GENESIS,))
    db.execute(_CLAIMS_BACK)
    return len(db.execute(_MARKED).fetchall())


def lost_of(db: Database, run: int) -> Sequence[ClaimSeen]:
    """Return the claims of run number ``run`` whose events are gone. Raises ``Suspended`` where nobody knows yet."""
    why = db.execute(_DOUBTED, (run,)).fetchone()
    if why is not None:
        raise Suspended(
            f"whether claims of this run are missing has to be said first: {why[0]}",
            hint="perdure store release --by NAME --run RUN with --none-missing or --missing FILE",
        )
    return [_seen(row) for row in db.execute(_OF_RUN, (run,))]


def tenants_of(batches: Sequence[Batch]) -> list[str]:
    """Return the tenants in the whole of which these batches' acts are told apart."""
    scopes = {claim.scope for batch in batches for claim in batch.opened}
    return [scope.removeprefix(_TENANT) for scope in sorted(scopes) if scope.startswith(_TENANT)]


def check_tenants(batch: Batch, doubtful: set[str]) -> None:
    """Raise ``Suspended`` where a lost run of a doubtful tenant may have done the same already."""
    for tenant in tenants_of((batch,)) if doubtful else ():
        if tenant in doubtful:
            raise Suspended(
                f"{batch.run} may not do what a run of tenant {tenant!r} may have done already: say first whether claims of "
                "it are missing",
                hint="see `perdure store failovers`",
            )


def _seen(row: tuple[object, ...]) -> ClaimSeen:
    key, stem, run, position, tool, attempt, arguments, outcome, loose, result = row
    return ClaimSeen(
        str(key),
        str(stem),
        str(run),
        position if isinstance(position, int) else 0,
        str(tool),
        attempt if isinstance(attempt, int) else 1,
        str(arguments),
        None if outcome is None else str(outcome),
        msgspec.json.decode(result, type=Content) if isinstance(result, bytes) else None,
        str(loose),
    )
