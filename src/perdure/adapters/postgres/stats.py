"""What a store in PostgreSQL holds, how much room it takes, and how its server is.

Rows of tables are what the server believes of them (its own statistics): counting a large table takes minutes.
"""

from typing import Final, cast

import msgspec

from perdure.adapters.postgres.content.garbage import waiting
from perdure.adapters.postgres.following.stalling import found_stall
from perdure.adapters.postgres.layout import RISKY
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.feed import Stall
from perdure.values.limits import FEED_STALL_SECONDS

_TABLES: Final = """
SELECT coalesce(p.relname, c.relname)::text, sum(greatest(s.n_live_tup, 0))::bigint, sum(s.n_dead_tup)::bigint,
    sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint,
    max(greatest(s.last_vacuum, s.last_autovacuum))::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class p ON p.oid = i.inhparent LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE n.nspname = 'perdure' AND c.relkind = 'r' GROUP BY 1 ORDER BY 4 DESC
"""
_INDEXES: Final = """
SELECT coalesce(p.relname, c.relname)::text, sum(pg_relation_size(c.oid))::bigint, sum(s.idx_scan)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class p ON p.oid = i.inhparent LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
WHERE n.nspname = 'perdure' AND c.relkind = 'i' GROUP BY 1 ORDER BY 2 DESC
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM runs WHERE process IS NOT NULL),
    (SELECT coalesce(sum(position - forked_at), 0)::bigint FROM runs),
    (SELECT count(*) FROM claims), (SELECT count(*) FROM claims WHERE outcome IS NULL),
    (SELECT count(*) FROM inbox WHERE kind IS NOT NULL), (SELECT count(*) FROM blobs), (SELECT count(*) FROM snapshots)
"""
_SERVER: Final = """
SELECT (SELECT id FROM store), current_setting('server_version'), current_database()::text,
    CASE WHEN pg_is_in_recovery() THEN NULL ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
    (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'perdure%'),
    current_setting('max_connections')::int, (SELECT max(name) FROM migrations), (SELECT released FROM store),
    (SELECT at::text FROM feed ORDER BY xid DESC LIMIT 1), {RISKY}
""".replace("{RISKY}", RISKY)


_BEHIND: Final = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM feed
WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())
"""


class TableSize(msgspec.Struct, frozen=True):
    """One table with all its parts."""

    name: str
    rows: int
    dead: int
    """rows that vacuum hasn't freed yet"""
    table_bytes: int
    index_bytes: int
    vacuumed: str | None


class IndexSize(msgspec.Struct, frozen=True):
    """One index with all its parts, and how often it was used."""

    name: str
    bytes: int
    scans: int


class ServerStats(msgspec.Struct, frozen=True):
    """A store in PostgreSQL in numbers."""

    id: str
    server: str
    database: str
    timeline: int | None
    """None on a standby"""
    connections: int
    connections_ours: int
    connections_max: int
    risky: str
    """settings that are off, parted by spaces: what is acknowledged may not outlive the machine"""
    tables_at: str
    """the last step that made the store's tables"""
    released: str | None
    newest: str | None
    """when the newest batch was begun; None if that was so long ago that the feed has forgotten it"""
    runs: int
    runs_held: int
    events: int
    claims: int
    claims_open: int
    inbox_waiting: int
    blobs: int
    snapshots: int
    spilled_blobs: int
    """large blobs that wait here for the object store"""
    spilled_bytes: int
    feed_lag_seconds: float
    """age of the oldest batch that the feed can't give out yet, since something older is under way"""
    stall: Stall | None
    """who that is, if it takes long"""
    tables: tuple[TableSize, ...]
    indexes: tuple[IndexSize, ...]

    @property
    def bytes(self) -> int:
        """All that the tables and their indexes take."""
        return sum(each.table_bytes + each.index_bytes for each in self.tables)


def stats_of(db: Database) -> ServerStats:
    """Return the store in numbers, as they stand now."""
    row, counts = db.execute(_SERVER.encode()).fetchone(), db.execute(_COUNTS).fetchone()
    runs, held, events, claims, claims_open, inbox, blobs, snapshots = cast(
        "tuple[int, int, int, int, int, int, int, int]", counts
    )
    id_, server, database, timeline, connections, ours, most, made, released, newest, risky = cast(
        "tuple[str, str, str, int | None, int, int, int, str, str | None, str | None, str]", row
    )
    tables = cast(
        "list[tuple[str, int | None, int | None, int, int, str | None]]", db.execute(_TABLES).fetchall()
    )
    indexes = cast("list[tuple[str, int, int | None]]", db.execute(_INDEXES).fetchall())
    spilled = waiting(db)
    lag = feed_behind(db)
    return ServerStats(
        id_,
        server,
        database,
        timeline,
        connections,
        ours,
        most,
        risky,
        made,
        released,
        newest,
        runs,
        held,
        events,
        claims,
        claims_open,
        inbox,
        blobs,
        snapshots,
        spilled.blobs,
        spilled.bytes,
        lag,
        found_stall(db) if lag > FEED_STALL_SECONDS else None,
        tuple(
            TableSize(name, rows or 0, dead or 0, table, index, at)
            for name, rows, dead, table, index, at in tables
        ),
        tuple(IndexSize(name, size, scans or 0) for name, size, scans in indexes),
    )


def feed_behind(db: Database) -> float:
    """Return the age in seconds of the oldest batch that the feed can't give out yet."""
    (lag,) = cast("tuple[float]", db.execute(_BEHIND).fetchone())
    return lag
