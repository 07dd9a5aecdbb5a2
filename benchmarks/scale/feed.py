"""The feed under writers that commit out of order: what is missed, what comes twice, how late it is.

Beside the feed run two broken readers, over the same table at the same time: one follows the number that each row
was given when it was written, as an identity column gives it; one follows transactions in order, but doesn't wait for
older ones that are under way. They miss what commits late, and are counted.

``python -m benchmarks.scale.feed`` prints the figures as JSON, in less than twenty seconds.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

import psycopg

from perdure.adapters.postgres.following.feed import PostgresFeed
from perdure.adapters.postgres.link.waiting import Database
from tests.servers.postgres import Server

RUNS: Final = 12
SLOW_SECONDS: Final = (0.005, 0.06)
SLOW, ABORTED = 0.15, 0.1
"""Shares of the transactions."""

MIGRATIONS: Final = Path("src/perdure/adapters/postgres/schema/migrations")
NUMBERED: Final = (
    "ALTER TABLE feed ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY; CREATE INDEX ON feed (number)"
)
BY_NUMBER: Final = "SELECT run, first, number FROM feed WHERE number > %s ORDER BY number LIMIT 500"
BY_TRANSACTION: Final = """
SELECT run, first, xid::text::bigint FROM feed WHERE xid > (%s::bigint)::text::xid8 ORDER BY xid, run, first
"""

Batch = tuple[int, int]
"""(run, first)"""


class Reading(Protocol):
    """A reader of the feed; each call gives what is new."""

    def news(self) -> Iterable[Batch]: ...


class Figures(NamedTuple):
    feed_batches: int
    feed_missed: int
    feed_twice: int
    feed_out_of_order: int
    feed_aborted: int
    feed_missed_by_number: int
    feed_missed_without_horizon: int
    feed_lag: float
    """median seconds from a commit's answer to the batch being given out"""
    feed_lag_p99: float


def opened(dsn: str) -> Database:
    """Return a connection as the store has them."""
    return Database.connect(dsn, autocommit=True, options="-c search_path=perdure")


def laid_out(dsn: str) -> None:
    """The database has the store's tables, and some runs."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CREATE SCHEMA perdure")
    with opened(dsn) as db:
        for part in ("0001_core.sql", "0006_fleet.sql"):
            db.execute((MIGRATIONS / part).read_bytes())
        for number in range(1, RUNS + 1):
            db.execute(
                "INSERT INTO runs (name, lineage, tenant, forked_at, created, position, head)"
                " VALUES (%s, %s, 'default', 0, 0, 0, '')",
                (f"run-{number}", f"run-{number}"),
            )


def feed_of(db: Database) -> PostgresFeed:
    """Return the feed over one connection."""

    @contextmanager
    def borrowed(_doing: str) -> Generator[Database]:
        yield db

    return PostgresFeed(borrowed)


class Ours:
    """Reads pages of the feed."""

    def __init__(self, db: Database) -> None:
        self.feed = feed_of(db)
        self.cursor: str | None = None

    def news(self) -> list[Batch]:
        page = self.feed.page(self.cursor, 200)
        self.cursor = page.cursor
        return [(int(entry.run.removeprefix("run-")), entry.first) for entry in page.entries]


class Naive:
    """Remembers the largest number that it has seen, and asks for larger ones."""

    def __init__(self, db: Database, statement: str) -> None:
        self.db, self.statement, self.last = db, statement.encode(), 0

    def news(self) -> list[Batch]:
        rows = cast("list[tuple[int, int, int]]", self.db.execute(self.statement, (self.last,)).fetchall())
        for row in rows:
            self.last = max(self.last, row[2])
        return [(row[0], row[1]) for row in rows]


class Race:
    """Writers and readers beside each other over one database."""

    def __init__(self, dsn: str, *, seed: int, writers: int) -> None:
        self.dsn, self.seed = dsn, seed
        self.writers = writers
        self.truth: dict[Batch, float] = {}
        """committed batches, and when the writer knew"""
        self.heard: dict[str, dict[Batch, float]] = {}
        self.times: dict[str, Counter[Batch]] = {}
        self.aborted = 0
        self.ended = threading.Event()
        self.still = threading.Event()
        self.failed: list[BaseException] = []

    def run(self, readers: dict[str, Callable[[Database], Reading]], seconds: float) -> None:
        writing = [
            threading.Thread(target=self._guarded, args=(self._write, each)) for each in range(self.writers)
        ]
        reading = [
            threading.Thread(target=self._guarded, args=(self._read, name, make))
            for name, make in readers.items()
        ]
        for thread in (*reading, *writing):
            thread.start()
        self.ended.wait(seconds)
        self.ended.set()
        for thread in writing:
            thread.join()
        self.still.set()
        for thread in reading:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def missed(self, name: str) -> int:
        return len(self.truth.keys() - self.heard[name].keys())

    def twice(self, name: str) -> int:
        return sum(times - 1 for times in self.times[name].values())

    def made_up(self, name: str) -> int:
        return len(self.heard[name].keys() - self.truth.keys())

    def out_of_order(self, name: str) -> int:
        last: dict[int, int] = {}
        wrong = 0
        for run, first in self.heard[name]:
            wrong += first < last.get(run, 0)
            last[run] = max(first, last.get(run, 0))
        return wrong

    def lags(self, name: str) -> list[float]:
        heard = self.heard[name]
        return sorted(max(0.0, heard[batch] - at) for batch, at in self.truth.items() if batch in heard)

    def _guarded(self, work: Callable[..., None], *words: object) -> None:
        try:
            work(*words)
        except BaseException as error:
            self.failed.append(error)
            self.ended.set()
            self.still.set()
            raise

    def _write(self, writer: int) -> None:
        chance = random.Random(f"{self.seed}/{writer}")
        # Each writer has runs of its own, as leases see to; so a run's batches commit in order.
        mine = range(1 + writer, RUNS + 1, self.writers)
        position = dict.fromkeys(mine, 0)
        with opened(self.dsn) as db:
            while not self.ended.is_set():
                run, batch = chance.choice(mine), 0
                db.execute("BEGIN")
                batch = position[run] + 1
                db.execute("INSERT INTO feed (run, first, last) VALUES (%s, %s, %s)", (run, batch, batch))
                if chance.random() < SLOW:
                    time.sleep(chance.uniform(*SLOW_SECONDS))
                if chance.random() < ABORTED:
                    db.execute("ROLLBACK")
                    self.aborted += 1
                    continue
                db.execute("COMMIT")
                position[run] = batch
                self.truth[run, batch] = time.monotonic()

    def _read(self, name: str, make: Callable[[Database], Reading]) -> None:
        heard = self.heard[name] = dict[Batch, float]()
        times = self.times[name] = Counter[Batch]()
        with opened(self.dsn) as db:
            reading = make(db)
            while True:
                last = self.still.is_set()
                news = list(reading.news())
                for batch in news:
                    heard.setdefault(batch, time.monotonic())
                    times[batch] += 1
                if not news:
                    if last:
                        return
                    time.sleep(0.002)


def raced(dsn: str, *, seed: int = 1, seconds: float = 5.0, writers: int = 4) -> Figures:
    """Return what became of the writers' batches; the database is laid out for it."""
    with opened(dsn) as db:
        db.execute(NUMBERED)
    race = Race(dsn, seed=seed, writers=writers)
    race.run(
        {
            "ours": Ours,
            "number": lambda db: Naive(db, BY_NUMBER),
            "no horizon": lambda db: Naive(db, BY_TRANSACTION),
        },
        seconds=seconds,
    )
    lags = race.lags("ours") or [0.0]
    return Figures(
        feed_batches=len(race.truth),
        feed_missed=race.missed("ours"),
        feed_twice=race.twice("ours") + race.made_up("ours"),
        feed_out_of_order=race.out_of_order("ours"),
        feed_aborted=race.aborted,
        feed_missed_by_number=race.missed("number"),
        feed_missed_without_horizon=race.missed("no horizon"),
        feed_lag=round(lags[len(lags) // 2], 4),
        feed_lag_p99=round(lags[len(lags) * 99 // 100], 4),
    )


def measured(server: Server, *, seconds: float = 5.0) -> Figures:
    """Return the figures of a race on a database of ``server`` that is made for it."""
    dsn = server.database(f"feed_{time.monotonic_ns()}")
    laid_out(dsn)
    return raced(dsn, seconds=seconds)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory, Server(Path(directory) / "pg") as server:
        found = measured(server)
    print(json.dumps(found._asdict()))
    return 0 if not found.feed_missed and not found.feed_twice else 1


if __name__ == "__main__":
    sys.exit(main())
