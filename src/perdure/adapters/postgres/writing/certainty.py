"""Learning from the store what became of a commit whose answer was lost, and making sure of what was only found there.

Invariants:
- Nothing is said of a transaction that another connection could still commit: its runs' rows are locked first.
- A transaction's number alone proves no commit: a server that crashed, or took over, may have given it to another.
- What was found is sure once a commit of our own, which stands behind it in the server's one log, is where commits
  have to go.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from perdure.adapters.postgres.failover.identity import REPLICATED
from perdure.adapters.postgres.judging.heads import LOCK_RUNS
from perdure.adapters.postgres.link.faults import Lost
from perdure.adapters.postgres.link.rounds import Rounds
from perdure.adapters.postgres.wire import BYTES, INT, Many, Statement, read_bool, read_int, read_text
from perdure.adapters.postgres.writing.group import BEGIN, COMMIT, ROLLBACK, TELL, Group
from perdure.values.errors import PerdureError, StandbyAway, StoreFailed

SURE: Final = Statement("SELECT pg_logical_emit_message(true, 'perdure', '') IS NOT NULL", (), (read_bool,))
"""Writes a record that means nothing, so that its commit waits for whatever commits wait for."""

_STOOD_UP: Final = Statement(
    """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND datname = current_database() AND usename = current_user
    """,
    (),
    (read_int,),
)
_STATUS: Final = Statement("SELECT coalesce(pg_xact_status($1::text::xid8), '')", (INT,), (read_text,))
_THERE: Final = Statement(
    """
    SELECT count(*) FROM unnest($1, $2, $3) AS u (run, position, digest)
    JOIN events e ON e.run = u.run AND e.position = u.position AND e.digest = u.digest
    """,
    (Many(INT), Many(INT), Many(BYTES)),
    (read_int,),
)
_WROTE: Final = Statement(
    "SELECT count(*) FROM runs WHERE number = ANY($1) AND xmin::text::bigint = $2 % 4294967296",
    (Many(INT), INT),
    (read_int,),
)


def found_of(rounds: Rounds, group: Group) -> bool | None:
    """Return whether the group's transaction was committed; None while it may still be."""
    rounds.ask(BEGIN)
    # Its connection holds these rows until it has ended, one way or the other.
    rounds.ask(LOCK_RUNS, group.runs())
    rounds.ask(_STATUS, group.transaction)
    evidence = group.evidence()
    columns = zip(*evidence, strict=True) if evidence else ((), (), ())
    rounds.ask(_THERE, *map(list, columns))
    touched = group.touched()
    rounds.ask(_WROTE, touched, group.transaction)
    rounds.ask(ROLLBACK)
    _, _, status, there, wrote, _ = rounds.go()
    if evidence:
        return there[0][0] == len(evidence)
    if not touched:
        # Blobs and caches: to write them once more changes nothing.
        return False
    match status[0][0]:
        case "committed" if wrote[0][0] == len(touched):
            return True
        case "aborted":
            return False
        case _:
            return None


def made_sure(rounds: Rounds) -> bool:
    """Whether a commit that stands behind all that was found is where commits have to go."""
    before = rounds.notices
    rounds.ask(BEGIN)
    rounds.ask(SURE)
    rounds.ask(COMMIT)
    rounds.unit()
    rounds.ask(REPLICATED)
    rounds.ask(TELL)
    *_, replicated, _ = rounds.go()
    return rounds.notices == before and replicated[0][0] is True


def unsure(why: str, connected: Callable[[], Rounds]) -> StoreFailed:
    """Return what to tell of a batch of which it couldn't be learned whether it was written, and the cause if it shows."""
    what = "it isn't known whether a batch was written"
    with suppress(Lost, psycopg.Error, PerdureError):
        rounds = connected()
        rounds.ask(_STOOD_UP)
        if rounds.go()[0][0][0]:
            return StandbyAway(f"{what}: the synchronous standby doesn't answer")
    return StoreFailed(
        f"{what}: {why}", hint="resume the run: it reads what was written, and goes on from there"
    )
