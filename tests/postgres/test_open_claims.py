"""How many effects are open is counted without reading all claims each time, and counted right."""

import random

import psycopg
import pytest

from perdure.adapters.postgres.fleet.open_claims import OpenClaims
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import NewRun
from perdure.values import limits

BEGIN = """
INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose)
SELECT gen_random_uuid(), 's', 'c', (SELECT min(number) FROM runs), 1, 't', 1, '', '' FROM generate_series(1, %s)
"""
SETTLE = "UPDATE claims SET outcome = 'succeeded' WHERE outcome IS NULL AND mod(number, 7) = %s"
TRUE = "SELECT count(*) FROM claims WHERE outcome IS NULL"


def connected(database: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(database, autocommit=True, options="-c search_path=perdure")


def open_in(db: "psycopg.Connection[tuple[object, ...]]") -> int:
    row = db.execute(TRUE).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def test_open_effects_are_counted_as_reading_all_of_them_would(store: PostgresStore, database: str):
    """Also those whose numbers were taken long before they were committed, and on a server that knows less."""
    store.create(NewRun("r", "r", "default", 1))
    chance = random.Random(7)
    with connected(database) as db, connected(database) as slow:
        counts = OpenClaims(rows=10, pages=2)
        assert counts.count(db) == 0
        for _ in range(40):
            slow.execute("BEGIN")
            slow.execute(BEGIN, (chance.randrange(3),))
            db.execute(BEGIN, (chance.randrange(12),))
            db.execute(SETTLE, (chance.randrange(7),))
            counts.count(db)
            slow.execute("COMMIT")
            assert counts.count(db) == open_in(db)
        db.execute("DELETE FROM claims WHERE number > 30")
        db.execute("SELECT setval(pg_get_serial_sequence('claims', 'number'), 30)")
        assert counts.count(db) == open_in(db)
        db.execute(BEGIN, (200,))
        for _ in range(200 // 20 + 2):
            counts.count(db)
        assert counts.count(db) == open_in(db)


def test_a_look_at_a_long_table_reads_a_bounded_part_and_keeps_a_bounded_number(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
):
    store.create(NewRun("r", "r", "default", 1))
    with connected(database) as db:
        db.execute(BEGIN, (100,))
        counts = OpenClaims(rows=10, pages=3)
        assert [counts.count(db) for _ in range(5)] == [30, 60, 90, 100, 100]
        plan = db.execute(
            "EXPLAIN SELECT number FROM claims WHERE number > 5 ORDER BY number LIMIT 10"
        ).fetchall()
        assert any("claims_pkey" in str(row) for row in plan)
        monkeypatch.setattr("perdure.adapters.postgres.fleet.open_claims.WATCH_OPEN_MAX", 40)
        assert limits.WATCH_OPEN_MAX > OpenClaims(rows=50, pages=9).count(db) == 40
