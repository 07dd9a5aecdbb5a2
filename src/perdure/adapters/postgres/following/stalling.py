"""Who holds the feed back: the transaction that has written and is under way for longest, anywhere in the cluster.

A replication slot holds vacuum back, never the feed: it has no transaction that is under way. A transaction that only
reads doesn't either; one that was prepared does, until somebody ends it, and no session shows it.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

from perdure.adapters.postgres.link.waiting import Database
from perdure.log.feed import Stall
from perdure.values.limits import FEED_QUERY_CHARACTERS

_HOLDER: Final = """
SELECT * FROM (
    SELECT 'session', pid, application_name, usename::text, datname::text,
        extract(epoch FROM clock_timestamp() - xact_start)::float8, state, wait_event, query, age(backend_xid) AS age
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL
    UNION ALL
    SELECT 'prepared', NULL, gid, owner::text, database::text,
        extract(epoch FROM clock_timestamp() - prepared)::float8, 'prepared', NULL, '', age(transaction)
    FROM pg_prepared_xacts
) holders ORDER BY age DESC LIMIT 1
"""
_UNSEEN: Final = Stall(
    "unseen",
    None,
    "",
    "",
    "",
    0.0,
    "",
    "",
    "look at pg_stat_activity on the primary, as a member of pg_read_all_stats",
)
_WAITS: Final[Mapping[str, str]] = {
    "SyncRep": "waits for a synchronous standby",
    "ClientRead": "waits for its client",
}
_VALUES: Final = re.compile(
    r"""
    \$(?P<tag>\w*)\$ .*? (?:\$(?P=tag)\$|$)       # dollar quotes, also cut off
    | [eEbBxXnN]? ' (?:[^'\\]|''|\\.)* (?:'|\\?$) # texts, also cut off
    | -- [^\n]* | /\* .*? (?:\*/|$)               # what is said beside it
    | (?<![\w$]) \d[\w.]*                          # numbers
    """,
    re.VERBOSE | re.DOTALL,
)


def found_stall(db: Database) -> Stall:
    """Return who holds the feed back now."""
    row = db.execute(_HOLDER).fetchone()
    if row is None:
        return _UNSEEN
    kind, pid, name, user, database, seconds, state, waits, query, _ = cast(
        "tuple[str, int | None, str | None, str | None, str | None, float | None, str | None, str | None, str | None, int]",
        row,
    )
    doing = ", ".join(filter(None, (state, _WAITS.get(waits or "", ""))))
    return Stall(
        kind,
        pid,
        name or "",
        user or "",
        database or "",
        seconds or 0.0,
        doing,
        shorn(query or ""),
        _cure(kind, pid, name, waits),
    )


def _cure(kind: str, pid: int | None, name: str | None, waits: str | None) -> str:
    if kind == "prepared":
        return f"end it in its database: COMMIT PREPARED or ROLLBACK PREPARED '{name}'"
    if waits == "SyncRep":
        return "see why the synchronous standby doesn't answer"
    return f"let it end, or end it: SELECT pg_terminate_backend({pid}); idle_in_transaction_session_timeout bounds such"


def shorn(query: str) -> str:
    """Return the beginning of a statement, each value in it a ``?``: values may be secrets."""
    return " ".join(_VALUES.sub("?", query).split())[:FEED_QUERY_CHARACTERS]
