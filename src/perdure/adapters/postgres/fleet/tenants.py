"""How many runs of each tenant may be driven at the same time, over all workers.

Invariants:
- Who may take a run is decided under a lock of its tenant: two workers never take the last place both.
- A run has its place from the moment that it is allowed until it is given back, or the worker that was allowed never came.
- A run whose worker died keeps its place for whoever takes it over: it is asked for no other.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, LiteralString, cast

from perdure.adapters.postgres.columns import asked
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.tenants import TenantFull, TenantLimit
from perdure.values.errors import UnknownRun
from perdure.values.ids import checked_name
from perdure.values.limits import TENANT_PLACE_SECONDS

_LIMIT: Final = """
SELECT r.number, r.tenant, COALESCE(t.concurrency, d.concurrency) FROM runs r
LEFT JOIN tenants t ON t.name = r.tenant LEFT JOIN tenants d ON d.name = '' WHERE r.name = %s
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('perdure tenant ' || %s, 0))"
_DRIVEN: Final = "r.process IS NOT NULL AND NOT starts_with(r.process, 'moved/')"
"""Whoever moved a run to another store holds it for ever, and drives nothing."""


def _whole(statement: LiteralString) -> LiteralString:
    return statement.replace("{DRIVEN}", _DRIVEN)


_USED: Final = _whole("""
SELECT (SELECT count(*) FROM runs r JOIN placements p ON p.run = r.number
        WHERE {DRIVEN} AND r.tenant = %(tenant)s AND p.root IS NULL AND r.number <> %(run)s)
    + (SELECT count(*) FROM tenant_places t JOIN runs r ON r.number = t.run
        WHERE t.tenant = %(tenant)s AND t.run <> %(run)s AND r.process IS NULL AND r.epoch = t.epoch
            AND t.at > clock_timestamp() - %(seconds)s * interval '1 second')
""")
_FORGOTTEN: Final = """
DELETE FROM tenant_places t USING runs r WHERE r.number = t.run AND t.tenant = %(tenant)s
    AND (r.epoch <> t.epoch OR t.at <= clock_timestamp() - %(seconds)s * interval '1 second')
"""
_TAKE: Final = """
INSERT INTO tenant_places (run, tenant, epoch) SELECT number, tenant, epoch FROM runs WHERE number = %(run)s
ON CONFLICT (run) DO UPDATE SET epoch = excluded.epoch, at = clock_timestamp()
"""
_SET: Final = """
INSERT INTO tenants (name, concurrency, by) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, by = excluded.by, at = now()
"""
_LIMITS: Final = _whole("""
SELECT n.name, COALESCE(t.concurrency, d.concurrency), COALESCE(h.driving, 0), COALESCE(t.by, '')
FROM (SELECT name FROM tenants UNION SELECT DISTINCT r.tenant FROM runs r WHERE {DRIVEN}) n
LEFT JOIN tenants t ON t.name = n.name LEFT JOIN tenants d ON d.name = ''
LEFT JOIN (SELECT r.tenant, count(*) AS driving FROM runs r JOIN placements p ON p.run = r.number
    WHERE {DRIVEN} AND p.root IS NULL GROUP BY r.tenant) h ON h.tenant = n.name
ORDER BY n.name
""")
_WAITS: Final = """
SELECT EXISTS (SELECT FROM placements WHERE waits IS NOT NULL AND waits LIKE 'tenant %%' AND parked IS NULL)
"""
# Runs that were put off for their tenant come to the front again as places come free, the longest waiting first.
_RECALL: Final = _whole("""
WITH waiting AS (
    SELECT p.run, COALESCE(t.concurrency, d.concurrency) AS most, COALESCE(h.driving, 0) AS driving,
        row_number() OVER (PARTITION BY r.tenant ORDER BY p.later, p.run) AS turn
    FROM placements p JOIN runs r ON r.number = p.run
    LEFT JOIN tenants t ON t.name = r.tenant LEFT JOIN tenants d ON d.name = ''
    LEFT JOIN (SELECT r.tenant, count(*) AS driving FROM runs r JOIN placements p ON p.run = r.number
        WHERE {DRIVEN} AND p.root IS NULL GROUP BY r.tenant) h ON h.tenant = r.tenant
    WHERE p.waits LIKE 'tenant %%' AND p.parked IS NULL AND p.later > %s
)
UPDATE placements p SET later = NULL, wake = 0 FROM waiting w
WHERE p.run = w.run AND (w.most IS NULL OR w.turn <= w.most - w.driving)
""")


class PostgresTenants:
    """The tenants' limits in one database."""

    def __init__(self, lent: Callable[[str], AbstractContextManager[Database]]) -> None:
        """Ask over connections that ``lent`` lends."""
        self._lent: Callable[[str], AbstractContextManager[Database]] = lent

    def take(self, run: str) -> TenantFull | None:
        with self._lent("looking for a place of the tenant") as db:
            row = db.execute(_LIMIT, (run,)).fetchone()
            if row is None:
                raise UnknownRun(f"there is no run {run!r} in this store")
            number, tenant, most = cast("tuple[int, str, int | None]", row)
            if most is None:
                return None
            values = {"run": number, "tenant": tenant, "seconds": TENANT_PLACE_SECONDS}
            with db.transaction():
                db.execute(_LOCK, (tenant,))
                db.execute(_FORGOTTEN, values)
                used = cast("tuple[int]", db.execute(_USED, values).fetchone())[0]
                if used >= most:
                    return TenantFull(tenant, most, used)
                db.execute(_TAKE, values)
            return None

    def set_limit(self, tenant: str, concurrency: int | None, by: str) -> None:
        if tenant:
            checked_name(tenant, field="tenant")
        with self._lent("setting a tenant's limit") as db:
            if concurrency is None:
                db.execute("DELETE FROM tenants WHERE name = %s", (tenant,))
            else:
                db.execute(_SET, (tenant, concurrency, by))

    def limits(self) -> Sequence[TenantLimit]:
        with self._lent("reading tenants' limits") as db:
            rows = db.execute(_LIMITS).fetchall()
        return [TenantLimit(*cast("tuple[str, int | None, int, str]", row)) for row in rows]

    def recall(self, now: int) -> int:
        with self._lent("giving tenants' places on") as db:
            if not asked(db, bool, _WAITS)[0]:
                return 0
            return db.execute(_RECALL, (now,)).rowcount
