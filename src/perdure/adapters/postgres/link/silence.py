"""Ending transactions whose process has gone silent in the middle of what it was saying.

The server ends a transaction by itself whose process says nothing between two round trips. Within one it doesn't: a
process that is stopped there, or a host that hangs, would hold its run's row for as long as it likes.

Invariant: only who waits for the words of its own process is ended, never who commits, or waits for a standby.
"""

from typing import Final

from perdure.adapters.postgres.link.waiting import Database

_END: Final = """
SELECT pg_terminate_backend(a.pid, 1000) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
    AND a.backend_xid IS NOT NULL AND a.wait_event = 'ClientRead'
    AND a.query_start < clock_timestamp() - make_interval(secs => %s)
    AND EXISTS (
        SELECT FROM pg_locks l JOIN runs r ON r.xmax = l.transactionid
        WHERE l.pid = a.pid AND l.locktype = 'transactionid' AND l.granted AND r.name = %s
    )
"""


def end_silent(db: Database, run: str, seconds: float) -> None:
    """Whoever holds the row of ``run`` and has been silent for ``seconds`` holds it no more."""
    db.execute(_END, (seconds, run))
