"""Clients in processes of their own act on one store, are killed, stopped and cut off; what they saw is one history.

python -m benchmarks.scale.history.recording [--seconds N] [--seed S] [--clients N] [--broken NAME] [--postgres]
"""

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.scale.history.acts import (
    Act,
    At,
    Call,
    Claims,
    History,
    Look,
    Names,
    Read,
    Remember,
    Row,
    Waiting,
    read_calls,
)
from benchmarks.scale.history.broken import BROKEN
from benchmarks.scale.history.checking import Explained, explained
from benchmarks.scale.history.client import READ_EVENTS_MAX, Errand, patiently_opened
from benchmarks.scale.history.model import GENESIS
from perdure.driver.books import Books
from perdure.log.port import NewRun
from tests.servers.postgres import Server

RUNS = ("a", "b", "c")
STEMS = ("s1", "s2", "s3", "s4")
BEGUN_SECONDS = 60.0
ROUNDS_MAX = 8
LOOK_SECONDS = 0.01


class Wish(NamedTuple):
    """What is recorded."""

    clients: int = 4
    seconds: float = 3.0
    seed: int = 1
    broken: str = ""
    calls_max: int = 100_000
    faults: bool = True


class Cut(NamedTuple):
    """A fault of the store's side: what it is called, and what does it."""

    name: str
    strike: Callable[[], None]


class Recorded(NamedTuple):
    """A history, what was done to those who made it, and what is to be said of it."""

    history: History
    faults: dict[str, int]
    verdict: Explained


class _Body:
    """A client's process and its file."""

    def __init__(self, errand: Errand) -> None:
        self.errand: Errand = errand
        self.died: int | None = None
        words = [
            sys.executable,
            "-m",
            "benchmarks.scale.history.client",
            msgspec.json.encode(errand).decode(),
        ]
        with Path(errand.out + ".err").open("ab") as trouble:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(words, stderr=trouble)

    def has_begun(self) -> bool:
        return Path(self.errand.out).exists() and Path(self.errand.out).stat().st_size > 0

    def kill(self) -> None:
        now = time.monotonic_ns()
        self.process.kill()
        if self.process.wait() == -signal.SIGKILL:
            # Else it had ended by itself before, after its last line.
            self.died = now

    def calls(self) -> list[Call]:
        return read_calls(Path(self.errand.out), self.errand.name)

    def trouble(self) -> str:
        return Path(self.errand.out + ".err").read_text(encoding="utf-8", errors="replace")


def record(location: str, place: Path, wish: Wish, cuts: tuple[Cut, ...] = ()) -> Recorded:
    """Let clients act on the store at ``location``; return what they saw, judged."""
    chance = random.Random(wish.seed)
    with _opened(location) as store:
        for run in RUNS:
            store.create(NewRun(run, run, "acme", 1))
    bodies = [_Body(_errand(location, place, wish, f"c{number}")) for number in range(wish.clients)]
    living = list(bodies)
    faults: dict[str, int] = {}
    try:
        _begun(bodies)
        until = time.monotonic() + wish.seconds
        while wish.faults and time.monotonic() < until - 0.3:
            time.sleep(chance.uniform(0.1, 0.4))
            name = _fault(
                chance, living, bodies, cuts, lambda: _errand(location, place, wish, f"c{len(bodies)}")
            )
            faults[name] = faults.get(name, 0) + 1
        for body in living:
            body.process.send_signal(signal.SIGCONT)
            body.process.wait(wish.seconds + BEGUN_SECONDS)
    finally:
        for body in bodies:
            body.process.kill()
            body.process.wait()
    history = _history(location, bodies)
    return Recorded(history, faults, explained(history))


def _fault(
    chance: random.Random,
    living: list[_Body],
    bodies: list[_Body],
    cuts: tuple[Cut, ...],
    errand: Callable[[], Errand],
) -> str:
    kinds = ["kill", "stop", *(cut.name for cut in cuts)]
    kind = chance.choice(kinds)
    place = chance.randrange(len(living))
    if kind == "kill":
        living[place].kill()
        living[place] = _Body(errand())
        bodies.append(living[place])
    elif kind == "stop":
        living[place].process.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.05, 0.3))
        living[place].process.send_signal(signal.SIGCONT)
    else:
        next(cut for cut in cuts if cut.name == kind).strike()
    for place, body in enumerate(living):
        if body.process.poll() is not None:
            # Its store had failed for good; somebody else takes its place.
            living[place] = _Body(errand())
            bodies.append(living[place])
    return kind


def _errand(location: str, place: Path, wish: Wish, name: str) -> Errand:
    out = str(place / f"{name}.jsonl")
    return Errand(location, name, out, RUNS, STEMS, wish.seed, wish.seconds, wish.calls_max, wish.broken)


def _begun(bodies: list[_Body]) -> None:
    end = time.monotonic() + BEGUN_SECONDS
    while not all(body.has_begun() or body.process.poll() is not None for body in bodies):
        if time.monotonic() > end:
            raise RuntimeError("a client did not begin")
        time.sleep(LOOK_SECONDS)


def _history(location: str, bodies: list[_Body]) -> History:
    calls: list[Call] = []
    ends: dict[str, int] = {}
    for body in bodies:
        theirs = body.calls()
        if not theirs and body.died is None:
            raise RuntimeError(f"a client did nothing:\n{body.trouble()[-2000:]}")
        calls += theirs
        if body.process.returncode not in (0, 1, -signal.SIGKILL):
            raise RuntimeError(f"a client ended with {body.process.returncode}:\n{body.trouble()[-2000:]}")
        said = [call.ended or call.began for call in theirs]
        ends[body.errand.name] = body.died or max(said, default=0)
    with _opened(location) as store:
        calls += _last_look(store)
    return History(tuple(calls), ends)


def _last_look(books: Books) -> list[Call]:
    """Return what the store says when all is over, and who writes nothing any more."""
    calls: list[Call] = []

    def note(act: Act, ask: Callable[[], At | Row | Names | Claims]) -> None:
        began = time.monotonic_ns()
        answer = ask()
        calls.append(Call("last", act, began, time.monotonic_ns(), answer))

    for run in RUNS:
        note(Look(run), lambda run=run: _row(books, run))
        note(Read(run), lambda run=run: _end(books, run))
        note(Waiting(run), lambda run=run: Names(tuple(post.id for post in books.inbox(run))))
    for stem in STEMS:
        note(
            Remember(stem),
            lambda stem=stem: Claims(
                tuple((seen.key, seen.run, seen.outcome) for seen in books.claims(stem=stem))
            ),
        )
    return calls


def _row(books: Books, run: str) -> Row:
    (row,) = books.rows(run)
    return Row(row.position, row.head.hex(), row.epoch, row.holder.token if row.holder else None)


def _end(books: Books, run: str) -> At:
    events = books.read(run, 0, READ_EVENTS_MAX)
    return At(len(events), events[-1].digest.hex()) if events else At(0, GENESIS)


@contextlib.contextmanager
def _opened(location: str) -> Generator[Books]:
    """Have the store for the length of a ``with`` block."""
    books = patiently_opened(location, time.monotonic() + BEGUN_SECONDS)
    end: Callable[[], None] = getattr(books, "close")  # noqa: B009 - every adapter has it, the port has not
    try:
        yield books
    finally:
        end()


def cuts_of(server: Server) -> tuple[Cut, ...]:
    """Return what can be done to clients from the side of a PostgreSQL server."""

    def terminate() -> None:
        import psycopg

        with psycopg.connect(server.dsn(), autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.7"
            )

    def restart() -> None:
        server.kill()
        server.start()

    return (Cut("terminate", terminate), Cut("restart", restart))


def history_figures(seconds: float = 6.0, seed: int = 1) -> dict[str, int]:
    """Record a history on PostgreSQL with all faults, and one of each broken store; return what the checker says."""
    with a_place() as place, Server(place / "pg") as server:
        wish = Wish(clients=4, seconds=seconds, seed=seed, calls_max=1500)
        whole = record(server.database("whole"), place, wish, cuts_of(server))
        caught = sum(
            any(_broken_once(server, place, name, turn) for turn in range(ROUNDS_MAX))
            for name in BROKEN
            if name
        )
    return {
        "history_calls": whole.verdict.calls,
        "history_unanswered": whole.verdict.unanswered,
        "history_faults": sum(whole.faults.values()),
        "history_unexplained": int(not whole.verdict.ok),
        "history_broken_caught": caught,
    }


def _broken_once(server: Server, place: Path, name: str, turn: int) -> bool:
    where = place / f"{name}-{turn}"
    where.mkdir()
    wish = Wish(clients=2, seconds=20, seed=turn, broken=name, calls_max=150, faults=False)
    return bool(record(server.database(where.name), where, wish).verdict.wrong)


@contextlib.contextmanager
def a_place() -> Generator[Path]:
    """Give a directory for one recording."""
    with tempfile.TemporaryDirectory(prefix="perdure-history-") as place:
        yield Path(place)


def main() -> int:
    """Record one history and print what is to be said of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.history.recording")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--broken", choices=sorted(BROKEN), default="")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, else on SQLite")
    words = parser.parse_args()
    wish = Wish(words.clients, words.seconds, words.seed, words.broken)
    with a_place() as place:
        if words.postgres:
            with Server(place / "pg") as server:
                found = record(server.database("history"), place, wish, cuts_of(server))
        else:
            found = record(str(place / "store"), place, wish)
    print(found.verdict.wrong or "explained", found.verdict._replace(wrong=""), found.faults)
    return 0 if found.verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
