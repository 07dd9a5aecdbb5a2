"""A million parked runs that are really there: how long a worker takes to claim a run, beside an empty store.

They are rows of the real tables: each run has events (frames that perdure wrote for a run like it), a post that was
taken in, and its place among what workers watch over. They are inserted by SQL from runs that perdure has parked; a
part has all events of such a run, the rest its first two; one in ten waits for a time, the rest for a person. What is timed goes through perdure alone: runs that a
worker has parked are posted to or come due, and a lease in their row ends the time.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

import perdure
from benchmarks.parts import Figures
from benchmarks.scale.hands import Looker, NotSeen, hands
from tests.servers.postgres import Server

PARKED: Final = 1_000_000
WHOLE: Final = 10_000
"""Of these all events are there."""

POSTED: Final = 15
WAITING: Final = 5
WAIT_SECONDS: Final = 11.5
"""Longer than what a worker keeps in its hands (``WORKER_PARKS_NS``)."""
LOADERS: Final = 2

_RUNS: Final = """
INSERT INTO runs (name, lineage, tenant, forked_at, created, status, wake, epoch, wrote, position, head)
SELECT 'parked-' || n, 'parked-' || n, 'tenant-' || mod(n, 1000), 0, r.created, 'waiting',
    CASE WHEN mod(n, 10) = 0 THEN r.created + 86400000000000 + n END, 1, 1,
    CASE WHEN n <= %(whole)s THEN r.position ELSE 2 END,
    CASE WHEN n <= %(whole)s THEN r.head ELSE e.digest END
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN runs r JOIN events e ON e.run = r.number AND e.position = 2 WHERE r.name = 'model'
"""
_EVENTS: Final = """
INSERT INTO events (run, position, frame, digest)
SELECT p.number, e.position, e.frame, e.digest FROM runs p
CROSS JOIN (SELECT e.* FROM events e JOIN runs r ON r.number = e.run WHERE r.name = 'model') AS e
WHERE p.name LIKE 'parked-%%' AND p.number BETWEEN %(from)s AND %(to)s AND e.position <= p.position
"""
_INBOX: Final = """
INSERT INTO inbox (run, id, at) SELECT number, 'start', created FROM runs
WHERE name LIKE 'parked-%%' AND number BETWEEN %(from)s AND %(to)s
"""
_PLACES: Final = """
INSERT INTO placements (run, agent, wake) SELECT number, 'asker', wake FROM runs
WHERE name LIKE 'parked-%%' AND number BETWEEN %(from)s AND %(to)s
"""
_SIZES: Final = """
SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'perdure' AND c.relkind IN ('r', 'm') AND c.relname LIKE %s
"""


def parked_figures(server: Server, say: Callable[[str], None], *, parked: int = PARKED) -> Figures:
    """Claim and wake-up latency with ``parked`` runs there and with none, and what the tables take."""
    with tempfile.TemporaryDirectory(prefix="parked-") as place:
        root = Path(place)
        empty = _latency(server.database(f"empty_{time.monotonic_ns()}"), root, say)
        dsn = server.database(f"parked_{time.monotonic_ns()}")
        began = time.perf_counter()
        loaded = load(dsn, root, parked)
        say(f"    {loaded['parked_runs']:,} runs inserted in {time.perf_counter() - began:.0f} s")
        full = _latency(dsn, root, say)
    return {
        **loaded,
        "claim_ms_parked": full["claim_ms"],
        "claim_ms_empty": empty["claim_ms"],
        "wake_ms_parked": full["wake_ms"],
        "wake_ms_empty": empty["wake_ms"],
        "claim_ms_parked_max": full["claim_ms_max"],
    }


def load(dsn: str, place: Path, parked: int) -> Figures:
    """Insert that many parked runs beside the one that perdure parks first; return what is there then."""
    with perdure.open(dsn) as store, hands(dsn, place, 1), Looker(dsn) as looker:
        store.submit("asker", "ask", run="model")
        looker.until(lambda: looker.rests("model", "waiting"), what="a parked run")
    with Looker(dsn) as looker:
        first = int(looker.one("SELECT max(number) FROM runs")) + 1
        _together(dsn, [(_RUNS, _part(parked, number)) for number in range(LOADERS)])
        last = int(looker.one("SELECT max(number) FROM runs"))
        halves = [
            {
                "from": first + (last - first + 1) * number // LOADERS,
                "to": first + (last - first + 1) * (number + 1) // LOADERS - 1,
            }
            for number in range(LOADERS)
        ]
        _together(dsn, [(_EVENTS, half) for half in halves])
        _together(dsn, [*((_INBOX, half) for half in halves), *((_PLACES, half) for half in halves)])
        looker.db.execute("VACUUM (ANALYZE, PARALLEL 2) runs")
        looker.db.execute("ANALYZE events, inbox, placements")
        rows = {name: looker.one(_count(name)) for name in ("runs", "events", "inbox", "placements")}
        sizes = {name: looker.one(_SIZES, f"{name}%") for name in rows}
        return {
            "parked_runs": rows["runs"] - 1,
            "parked_rows": rows,
            "parked_table_mb": {name: round(size / 1e6) for name, size in sizes.items()},
        }


def _count(table: str) -> LiteralString:
    counts: dict[str, LiteralString] = {
        "runs": "SELECT count(*) FROM runs",
        "events": "SELECT count(*) FROM events",
        "inbox": "SELECT count(*) FROM inbox",
        "placements": "SELECT count(*) FROM placements",
    }
    return counts[table]


def _part(parked: int, number: int) -> dict[str, int]:
    return {
        "first": parked * number // LOADERS + 1,
        "last": parked * (number + 1) // LOADERS,
        "whole": WHOLE,
    }


def _together(dsn: str, works: list[tuple[LiteralString, dict[str, int]]]) -> None:
    """Do them side by side. What is loaded needs no durability of its own, and no check of what it refers to."""

    def one(work: tuple[LiteralString, dict[str, int]]) -> None:
        options = "-csearch_path=perdure -csynchronous_commit=off -csession_replication_role=replica"
        with psycopg.connect(dsn, autocommit=True, options=options) as db:
            db.execute(*work)

    with ThreadPoolExecutor(LOADERS) as threads:
        for _ in threads.map(one, works):
            pass


def _latency(dsn: str, place: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """From a post, and from a due time, to the lease of a worker that serves the store."""
    asked = [f"ask-{number}" for number in range(POSTED)]
    waiting = [f"wait-{number}" for number in range(WAITING)]
    with perdure.open(dsn) as store, hands(dsn, place, 1), Looker(dsn) as looker:
        for number, run in enumerate(waiting):
            store.submit("waiter", str(WAIT_SECONDS + number), run=run)
        for run in asked:
            store.submit("asker", "ask", run=run)
        for run in asked:
            looker.until(partial(looker.rests, run, "waiting"), what=f"{run} parked")
        for run in waiting:
            looker.until(partial(looker.rests, run, "running"), what=f"{run} parked")
        claims = [_claimed(store, looker, run) for run in asked]
        wakes = [_woken(looker, run) for run in waiting]
    say(
        f"    claimed {statistics.median(claims):.1f} ms after a post, {statistics.median(wakes):.1f} ms after due"
    )
    return {
        "claim_ms": statistics.median(claims),
        "claim_ms_max": max(claims),
        "wake_ms": statistics.median(wakes),
    }


def _claimed(store: perdure.Store, looker: Looker, run: str) -> float:
    epoch = looker.epoch(run)
    began = time.perf_counter()
    store.message(run, "Go on.")
    return (looker.until(lambda: looker.epoch(run) > epoch, what=f"a lease of {run}") - began) * 1000


def _woken(looker: Looker, run: str) -> float:
    due = int(looker.one("SELECT wake FROM runs WHERE name = %s", run))
    epoch = looker.epoch(run)
    if time.time_ns() >= due:
        raise NotSeen(f"{run} was due before it was looked at")
    looker.until(lambda: looker.epoch(run) > epoch, what=f"a lease of {run}")
    return (time.time_ns() - due) / 1e6
