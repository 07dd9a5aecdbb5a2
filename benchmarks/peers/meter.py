"""What every peer is measured with, the same for all. It runs in the peers' environment: standard library only.

The unit is a turn with one effect: the model's reply durable before the tool runs, the tool's result durable
before the model is asked again. Reply and result each bring half of the payload, new and incompressible.

A peer is measured in two stretches: a short one in which its commits are counted, then, uncounted, the one
that is timed. Nothing is reported unless every connection it opened syncs on commit (synchronous=FULL).
"""

import argparse
import base64
import itertools
import json
import platform
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

FULL = 2  # PRAGMA synchronous: sync at each commit; 1 (NORMAL) loses acknowledged commits at a power cut
WARM_TURNS = 2  # tables, caches and code paths exist after these
COUNTED_TURNS = 5
COUNTED_SECONDS_MAX = 60  # seven turns never take that long; a cut-off would spoil the count
STORE = "peer.sqlite3"
Connection = sqlite3.Connection


class Ask(NamedTuple):
    """What to measure: whichever of `turns` (of each run) and `seconds` ends first."""

    directory: Path
    runs: int
    turns: float
    seconds: float
    payload_bytes: int
    variant: str

    @property
    def store(self) -> Path:
        return self.directory / STORE


class About(NamedTuple):
    """Who is measured, and how it runs many agents in one process."""

    peer: str
    package: str
    variants: tuple[str, ...]
    concurrency: str


class Texts:
    """New text for each message, from a seed; random, so that no compression flatters a store."""

    def __init__(self, payload_bytes: int) -> None:
        self._chance = random.Random(2603)
        self._half = max(1, payload_bytes // 2)

    def fresh(self) -> str:
        return base64.b64encode(self._chance.randbytes(self._half * 3 // 4 + 3))[: self._half].decode()


class Course:
    """One stretch: says whether a run takes another turn, and keeps when each turn began.

    A run's list is touched by that run alone, so runs may be threads.
    """

    def __init__(self, *, turns: float, seconds: float) -> None:
        self._turns = turns
        self._until = time.perf_counter() + seconds
        self._began: dict[str, list[float]] = {}
        self._ended: dict[str, float] = {}

    def more(self, run: str) -> bool:
        """A first turn always; another while turns and time are left."""
        begun = len(self._began.get(run, ()))
        return begun == 0 or (begun < self._turns and time.perf_counter() < self._until)

    def turn(self, run: str) -> None:
        """The run begins a turn; what it did before, up to its last durable word, belongs to the turn before."""
        self._began.setdefault(run, []).append(time.perf_counter())

    def done(self, run: str) -> None:
        self._ended[run] = time.perf_counter()

    def laps(self) -> list[float]:
        """How long each turn took, as its run felt it."""
        marks = [[*began, self._ended[run]] for run, began in self._began.items()]
        return [after - before for run in marks for before, after in itertools.pairwise(run)]


class Witness:
    """Every connection that the peer opens: told to sync at each commit, watched, and asked again at the end."""

    def __init__(self) -> None:
        self.commits = 0
        self._connections: list[Connection] = []
        self._changes: dict[int, int] = {}

    def watch(self, connection: Connection) -> None:
        if not _is_open(connection):
            return
        connection.execute("PRAGMA synchronous=FULL")
        connection.set_trace_callback(partial(self._saw, connection))
        self._connections.append(connection)

    def _saw(self, connection: Connection, statement: str) -> None:
        """A commit that changed nothing costs no sync and isn't counted."""
        if statement.upper().startswith(("COMMIT", "END")):
            changes = connection.total_changes
            self.commits += changes != self._changes.get(id(connection), 0)
            self._changes[id(connection)] = changes

    def stop_counting(self) -> None:
        for connection in self._open():
            connection.set_trace_callback(None)

    def in_force(self) -> dict[str, object]:
        """The settings that the peer's open connections have now. Exits where one doesn't sync on commit."""
        asked = self._open()
        levels = {int(one.execute("PRAGMA synchronous").fetchone()[0]) for one in asked}
        journals = {str(one.execute("PRAGMA journal_mode").fetchone()[0]) for one in asked}
        if not asked or min(levels) < FULL:
            sys.exit(f"not at equal durability: synchronous is {sorted(levels)} on {len(asked)} connections")
        return {
            "synchronous": min(levels),
            "journal_mode": "+".join(sorted(journals)),
            "connections": len(asked),
            "sqlite": sqlite3.sqlite_version,
        }

    def _open(self) -> list[Connection]:
        return [one for one in self._connections if _is_open(one)]


def _is_open(connection: Connection) -> bool:
    try:
        connection.execute("PRAGMA synchronous")
    except sqlite3.ProgrammingError:
        return False
    return True


class Peer(Protocol):
    """A peer that has opened its store."""

    def go(self, course: Course, runs: Sequence[str]) -> None:
        """Drive each run over the course, all at once; returns when the last one's last turn is durable."""
        ...

    def close(self) -> None: ...


def main(about: About, open_peer: Callable[[Ask, Witness, Texts], Peer]) -> None:
    """Measure one peer and print its report as one line of JSON."""
    ask = _asked(about)
    ask.directory.mkdir(parents=True, exist_ok=True)
    witness = Witness()
    peer = open_peer(ask, witness, Texts(ask.payload_bytes))
    commits = _counted(peer, witness)
    kept = stored_bytes(ask.store)

    course = Course(turns=ask.turns, seconds=ask.seconds)
    cpu, wall = time.process_time(), time.perf_counter()
    peer.go(course, [f"run-{n}" for n in range(ask.runs)])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall

    durability = witness.in_force()
    grown = stored_bytes(ask.store) - kept
    peer.close()
    laps = course.laps()
    report = {
        "peer": about.peer,
        "version": version(about.package),
        "variant": ask.variant,
        "concurrency": about.concurrency,
        "python": platform.python_version(),
        "runs": ask.runs,
        "turns": round(len(laps) / ask.runs, 1),
        "payload_bytes": ask.payload_bytes,
        "seconds": round(wall, 3),
        "turns_per_s": round(len(laps) / wall, 1),
        "turn_ms_median": round(statistics.median(laps) * 1000, 3),
        "turn_cpu_ms": round(cpu / len(laps) * 1000, 3),
        "disk_bytes": grown,
        "disk_bytes_per_turn": round(grown / len(laps)),
        "durable_commits_per_turn": commits,
        "durability": durability,
    }
    print(json.dumps(report), flush=True)


def _counted(peer: Peer, witness: Witness) -> float:
    """Durable commits of one more turn: opening and ending a run cost the same at any length, so they cancel."""
    commits: list[int] = []
    for turns in (WARM_TURNS, WARM_TURNS, WARM_TURNS + COUNTED_TURNS):
        before = witness.commits
        peer.go(Course(turns=turns, seconds=COUNTED_SECONDS_MAX), [f"warm-{len(commits)}"])
        commits.append(witness.commits - before)
    witness.stop_counting()
    return (commits[2] - commits[1]) / COUNTED_TURNS


def connect(store: Path) -> Connection:
    """A connection from outside the peer, through the same SQLite library as the peer's."""
    return sqlite3.connect(store, timeout=30)


def stored_bytes(store: Path) -> int:
    """The pages of the store as a reader sees them: what the file holds once the write-ahead log is folded in."""
    connection = connect(store)
    try:
        pages, page = (
            connection.execute(f"PRAGMA {one}").fetchone()[0] for one in ("page_count", "page_size")
        )
    finally:
        connection.close()
    return int(pages) * int(page)


def _asked(about: About) -> Ask:
    words = argparse.ArgumentParser(
        description=f"A turn with one effect in {about.peer}, at equal durability."
    )
    words.add_argument("--dir", type=Path, required=True)
    words.add_argument("--runs", type=int, default=1)
    words.add_argument("--turns", type=int)
    words.add_argument("--seconds", type=float)
    words.add_argument("--payload-bytes", type=int, default=2048)
    words.add_argument("--variant", choices=about.variants, default=about.variants[0])
    got = words.parse_args()
    # Turns alone are all taken; neither is three seconds.
    turns = float("inf") if got.turns is None else got.turns
    seconds = got.seconds or (3.0 if got.turns is None else float("inf"))
    return Ask(got.dir.resolve(), got.runs, turns, seconds, got.payload_bytes, got.variant)
