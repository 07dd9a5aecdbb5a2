"""What every peer on PostgreSQL is measured with, the same for all. It runs in the peers' environment and in ours.

The unit is that of `meter`: a turn with one effect, the model's reply (and so the promise of the effect) durable
before the tool runs, its outcome durable before the model is asked again. Reply and outcome each bring half of the
payload, new and incompressible; the model and the tool cost nothing.

What is durable is not asked but counted. A commit that waits for the disk has its client's own backend write and sync
the log; one that doesn't leaves that to the server's background. So the server's count of syncs by backends, in turns
of one run alone, says how often a turn waited for the disk, whatever a session had set for itself.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import meter
import psycopg

WARM_TURNS = 3
COUNTED_TURNS = 40
COUNTED_SECONDS_MAX = 60
REPORT_TURNS = 6  # each of a few pooled connections has its turn in these
REPORT_SECONDS = 1.1  # PostgreSQL's PGSTAT_MIN_INTERVAL is one
IDLE_REPORT_SECONDS = (
    11  # its PGSTAT_IDLE_INTERVAL is ten: by then a backend that does nothing has reported, too
)
SYNCS_MIN = (
    1.5  # of the two that a turn needs: below that, what is missing may only not have been reported yet
)


class Ask(NamedTuple):
    """What to measure: `turns` turns of each of `runs` runs in the database that `dsn` names."""

    dsn: str
    server: int
    """the process id of the server's first process, whose session holds all of its others"""
    runs: int
    turns: int
    payload_bytes: int
    variant: str
    syncs: bool
    """whether to count syncs and commits first, which takes some seconds"""


class Tally:
    """Counts what the peer really did: replies that its model gave and effects that its tool had."""

    def __init__(self) -> None:
        self._replies = itertools.count()
        self._effects = itertools.count()

    def reply(self) -> None:
        next(self._replies)

    def effect(self) -> None:
        next(self._effects)

    def counted(self) -> tuple[int, int]:
        """(replies, effects) since the last time; not to be called while runs are under way."""
        found = next(self._replies), next(self._effects)
        self._replies, self._effects = itertools.count(), itertools.count()
        return found


class Peer(Protocol):
    """A peer that has opened its store."""

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        """Drive each run over the course, all at once; returns when the last one's last turn is durable."""
        ...

    def close(self) -> None: ...


def main(about: meter.About, open_peer: Callable[[Ask, meter.Texts, Tally], Peer]) -> None:
    """Measure one peer and print its report as one line of JSON."""
    ask = _asked(about)
    texts, tally = meter.Texts(ask.payload_bytes), Tally()
    peer = open_peer(ask, texts, tally)
    with psycopg.connect(ask.dsn, autocommit=True) as db:
        alone = _alone(peer, db) if ask.syncs else {}
        peer.go(_course(WARM_TURNS), _names("warm", ask.runs))
        tally.counted()
        # Each page's first change after it is logged whole: for all peers alike, from here on.
        db.execute("CHECKPOINT")
        course = meter.Course(turns=ask.turns, seconds=float("inf"))
        wal, served = _wal(db), cpu_seconds(ask.server)
        cpu, wall = time.process_time(), time.perf_counter()
        peer.go(course, _names("run", ask.runs))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        replies, effects = tally.counted()
        wal, served = _wal(db) - wal, cpu_seconds(ask.server) - served
        settings = durability(db)
    peer.close()
    laps = sorted(course.laps())
    turns = len(laps)
    report = {
        "peer": about.peer,
        "version": version(about.package),
        "variant": ask.variant,
        "concurrency": about.concurrency,
        "python": platform.python_version(),
        "runs": ask.runs,
        "turns": turns,
        "replies": replies,
        "effects": effects,
        "payload_bytes": ask.payload_bytes,
        "seconds": round(wall, 3),
        "turns_per_s": round(turns / wall, 1),
        "turn_ms_median": round(statistics.median(laps) * 1000, 3),
        "turn_ms_p99": round(laps[min(turns - 1, turns * 99 // 100)] * 1000, 3),
        "client_cpu_ms_per_turn": round(cpu / turns * 1000, 3),
        "server_cpu_ms_per_turn": round(served / turns * 1000, 3),
        "wal_bytes_per_turn": round(wal / turns),
        "durability": {**settings, **alone},
    }
    print(json.dumps(report), flush=True)


def _alone(peer: Peer, db: psycopg.Connection) -> dict[str, float]:
    """How often one more turn of one run alone waits for the disk, and commits.

    Opening and ending a run cost the same at any length, so they cancel.
    """
    found: list[tuple[int, int]] = []
    for turns in (WARM_TURNS, WARM_TURNS, WARM_TURNS + COUNTED_TURNS):
        peer.go(_course(turns), [f"alone-{len(found)}"])
        # A backend reports what it did at the end of a transaction, if it hasn't for a second: what each one of the
        # peer's did in a stretch is told by its first transaction in the short one that follows.
        time.sleep(REPORT_SECONDS)
        peer.go(_course(REPORT_TURNS), [f"report-{len(found)}"])
        found.append(_reported(db))
    if _each_turn(found)[0] < SYNCS_MIN:
        time.sleep(IDLE_REPORT_SECONDS)
        found[-1] = _reported(db)
    syncs, commits = _each_turn(found)
    return {"syncs_per_turn": round(syncs, 2), "commits_per_turn": round(commits, 2)}


def _each_turn(found: Sequence[tuple[int, int]]) -> tuple[float, float]:
    first, second, third = found
    return (
        (third[0] - 2 * second[0] + first[0]) / COUNTED_TURNS,
        (third[1] - 2 * second[1] + first[1]) / COUNTED_TURNS,
    )


def _course(turns: int) -> meter.Course:
    return meter.Course(turns=turns, seconds=COUNTED_SECONDS_MAX)


def _reported(db: psycopg.Connection) -> tuple[int, int]:
    """(syncs of the log by backends of clients, transactions committed), as far as they have been reported."""
    row = db.execute(
        "SELECT (SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io"
        "  WHERE object = 'wal' AND backend_type = 'client backend'),"
        " (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _wal(db: psycopg.Connection) -> int:
    row = db.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def durability(db: psycopg.Connection) -> dict[str, str]:
    """The settings that a session of this database begins with, and what any role or database changes in them."""
    asked = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "server_version")
    found = {name: str((db.execute(f"SHOW {name}").fetchone() or ("",))[0]) for name in asked}
    changed = db.execute("SELECT unnest(setconfig) FROM pg_db_role_setting").fetchall()
    return {**found, "changed": ", ".join(sorted(str(each[0]) for each in changed))}


def cpu_seconds(server: int) -> float:
    """CPU of all processes of a server so far, of those that have ended, too."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            mine = path.parent.name == str(server)
            if mine or int(words[1]) == server:
                # what its children that have ended took stands with it
                ticks += sum(int(each) for each in words[11 : 15 if mine else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def _asked(about: meter.About) -> Ask:
    words = argparse.ArgumentParser(description=f"A turn with one effect in {about.peer} on PostgreSQL.")
    words.add_argument("--dsn", required=True)
    words.add_argument("--server", type=int, required=True)
    words.add_argument("--runs", type=int, default=1)
    words.add_argument("--turns", type=int, default=50)
    words.add_argument("--payload-bytes", type=int, default=2048)
    words.add_argument("--variant", choices=about.variants, default=about.variants[0])
    words.add_argument("--syncs", action="store_true")
    got = words.parse_args()
    return Ask(got.dsn, got.server, got.runs, got.turns, got.payload_bytes, got.variant, got.syncs)
