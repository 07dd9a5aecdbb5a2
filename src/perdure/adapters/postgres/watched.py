"""What a database says of the fleet that shares it, for figures and probes.

Invariants:
- Nothing here is asked in a run's way, and nothing takes longer than its bound: the server ends it.
- What costs time with the number of runs (``fleet``) is asked apart from what decides whether runs may be driven.
"""

from typing import Final, cast

from perdure.adapters.postgres.content.garbage import waiting
from perdure.adapters.postgres.fleet.open_claims import OpenClaims
from perdure.adapters.postgres.layout import RISKY
from perdure.adapters.postgres.link.line import Lend
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.schema.migrating import migrations
from perdure.adapters.postgres.stats import feed_behind
from perdure.log.metering import FleetSeen, StandingSeen
from perdure.values.limits import FEED_STALL_SECONDS, WATCH_FLEET_SECONDS_MAX, WORKER_SILENT_SECONDS

_STANDING: Final = """
SELECT coalesce((SELECT suspended FROM store), ''),
    coalesce((SELECT name FROM migrations WHERE beside > %(ours)s ORDER BY number LIMIT 1), ''),
    (SELECT max(number)::bigint FROM migrations), (SELECT count(*) FROM failovers),
    (extract(epoch FROM clock_timestamp()) * 1e9)::bigint, {RISKY}
""".replace("{RISKY}", RISKY)
_RUNS: Final = "SELECT status, count(*) FROM runs GROUP BY status"
_STUCK: Final = """
SELECT CASE WHEN parked IS NOT NULL THEN 'parked' WHEN waits LIKE 'needs agent %%' THEN 'version'
    WHEN waits LIKE 'tenant %%' THEN 'tenant' WHEN waits LIKE 'try %%' THEN 'failed'
    WHEN waits LIKE '%%which is no worker%%' THEN 'held' ELSE 'store' END, count(*)
FROM placements WHERE parked IS NOT NULL OR waits IS NOT NULL GROUP BY 1
"""
_FULL: Final = """
SELECT count(DISTINCT r.tenant) FROM placements p JOIN runs r ON r.number = p.run
WHERE p.waits LIKE 'tenant %%' AND p.parked IS NULL
"""
_PROCESSES: Final = """
SELECT CASE WHEN lapsed IS NOT NULL OR seen < clock_timestamp() - %(silent)s * interval '1 second' THEN 'silent'
    WHEN draining THEN 'drains' ELSE 'serves' END, count(*)
FROM processes WHERE ended IS NULL GROUP BY 1
"""


class PostgresWatched:
    """One database, watched over connections that are lent."""

    def __init__(self, lend: Lend) -> None:
        """Ask over what ``lend`` lends."""
        self._lend: Lend = lend
        self._open: OpenClaims = OpenClaims()

    def standing(self) -> StandingSeen:
        with self._lend("looking how the store stands") as db:
            row = db.execute(_STANDING.encode(), {"ours": migrations()[-1].number}).fetchone()
        return StandingSeen(*cast("tuple[str, str, int, int, int, str]", row))

    def fleet(self) -> FleetSeen:
        with self._lend("counting what the fleet has") as db, db.transaction():
            db.execute(f"SET LOCAL statement_timeout = {round(WATCH_FLEET_SECONDS_MAX * 1000)}".encode())
            stuck = _counted(db, _STUCK)
            spilled, lag = waiting(db), feed_behind(db)
            return FleetSeen(
                _counted(db, _RUNS),
                stuck.pop("parked", 0),
                stuck,
                self._open.count(db),
                lag,
                lag > FEED_STALL_SECONDS,
                spilled.blobs,
                spilled.bytes,
                _counted(db, _PROCESSES),
                _one(db, _FULL),
            )


def _counted(db: Database, sql: str) -> dict[str, int]:
    rows = db.execute(sql.encode(), {"silent": WORKER_SILENT_SECONDS}).fetchall()
    return dict(cast("list[tuple[str, int]]", rows))


def _one(db: Database, sql: str) -> int:
    rows = db.execute(sql.encode(), {}).fetchall()
    return cast("int", rows[0][0])
