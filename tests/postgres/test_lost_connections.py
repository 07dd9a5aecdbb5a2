"""A writer whose connection is lost at any moment of a group commit: nothing acknowledged is gone, nothing is twice."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.writing.group import Group
from perdure.adapters.postgres.writing.writer import Writer as GroupWriter
from perdure.log.events import CounterSeen
from perdure.log.port import Appended, ClaimClosed, CounterMoved
from perdure.values.errors import Conflict
from tests.conformance.stores import Writer, blob, claim, opened_run, post
from tests.postgres.severing import Severer, Side
from tests.servers.shared import database_of, server

SECONDS = 60

EVERY = 11
"""in ``make test`` each eleventh moment is tried; the long form tries all"""

_TERMINATE = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'perdure'
"""


@contextmanager
def severed(directory: Path, make: Callable[[str], PostgresStore] = PostgresStore) -> Generator["Trial"]:
    severer = Severer(server().port)
    dsn = database_of(directory)
    way = dsn.replace(f":{server().port}/", f":{severer.port}/") + "?sslmode=disable&gssencmode=disable"
    store = make(way)
    try:
        yield Trial(store, severer, dsn)
    finally:
        store.close()
        severer.close()


class Trial:
    """One store, reached by a way that can be severed, and a run to write."""

    def __init__(self, store: PostgresStore, severer: Severer, dsn: str) -> None:
        self.store = store
        self.severer = severer
        self.dsn = dsn
        self.number = 0
        self.writer: Writer = opened_run(store)
        # What a connection says the first time prepares its statements, and is said in no later group.
        for _ in range(2):
            assert isinstance(self.write(), Appended)

    def write(self) -> object:
        """Append a batch that has something of everything."""
        self.number += 1
        name = f"{self.number}"
        self.store.post("march", post(f"p{name}"))
        closed = [ClaimClosed(f"k{self.number - 1}", "failed")] if self.number > 1 else []
        batch = self.writer.batch(
            2,
            text=name,
            blobs=[blob(f"content {name}".encode())],
            opened=[claim(f"k{name}", "s")],
            closed=closed,
            counters=[CounterMoved("money", 1, 10_000)],
            consumed=[f"p{name}"],
            alone=self.number % 2 == 0,
        )
        answer = self.store.append(batch).result(SECONDS)
        if isinstance(answer, Appended):
            self.writer.position, self.writer.head = answer.position, batch.events[-1].digest
        return answer

    def count(self) -> dict[Side, int]:
        """Return how many messages one batch takes."""

        def once() -> None:
            self.severer.arm(None)
            assert isinstance(self.write(), Appended)

        return self.severer.fewest(once)

    def cut(self, side: Side, number: int, act: Callable[[], None] | None = None) -> None:
        """Write a batch whose connection is lost at a moment, and see that it is there, once."""
        self.severer.arm(side, number, act or (lambda: None))
        assert self.write() == Appended(2 * self.number)
        assert self.severer.cut.wait(SECONDS)
        self.severer.arm(None)
        self.look()

    def cut_at(self, moments: list[tuple[Side, int]]) -> None:
        for side, number in moments:
            self.cut(side, number)

    def look(self) -> None:
        with PostgresStore(self.dsn) as other:
            events = other.read("march", 0, 10_000)
            assert len(events) == 2 * self.number
            assert other.counters(["money"]) == [CounterSeen("money", self.number)]
            assert [each.key for each in other.claims()] == [f"k{n + 1}" for n in range(self.number)]
            assert other.inbox("march") == []
            assert other.has(blob(f"content {self.number}".encode())[0])
        with psycopg.connect(self.dsn) as db:
            fed = db.execute("SELECT first, last FROM perdure.feed ORDER BY first").fetchall()
        assert fed == [(2 * n + 1, 2 * n + 2) for n in range(self.number)]

    def terminate(self) -> None:
        """The server has ended all connections of the store."""
        with psycopg.connect(self.dsn, autocommit=True) as db:
            db.execute(_TERMINATE)


@pytest.mark.parametrize("side", ["said", "heard"])
def test_a_connection_lost_at_any_message_loses_nothing_and_repeats_nothing(tmp_path: Path, side: Side):
    with severed(tmp_path) as trial:
        for number in range(0, trial.count()[side], EVERY):
            trial.cut(side, number)


@pytest.mark.parametrize("side", ["said", "heard"])
def test_connections_ended_by_the_server_at_any_message_lose_nothing(tmp_path: Path, side: Side):
    with severed(tmp_path) as trial:
        for number in range(5, trial.count()[side], 2 * EVERY):
            trial.cut(side, number, trial.terminate)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("side", ["said", "heard"])
def test_a_connection_lost_at_every_single_message(tmp_path: Path, side: Side):
    with severed(tmp_path) as trial:
        for number in range(trial.count()[side]):
            trial.cut(side, number)
            trial.cut(side, number, trial.terminate)


class _Blind(GroupWriter):
    """Takes a lost answer for a commit that wasn't done, and writes again."""

    def _was_done(self, group: Group) -> bool:
        return False


class _Trusting(GroupWriter):
    """Takes a lost answer for a commit that was done."""

    def _was_done(self, group: Group) -> bool:
        return True


class _BlindStore(PostgresStore):
    WRITER: ClassVar[type[GroupWriter]] = _Blind


class _TrustingStore(PostgresStore):
    WRITER: ClassVar[type[GroupWriter]] = _Trusting


@pytest.mark.parametrize("broken", [_BlindStore, _TrustingStore])
def test_a_writer_that_guesses_is_caught(tmp_path: Path, broken: type[PostgresStore]):
    with severed(tmp_path, broken) as trial:
        sides = trial.count()
        # The last answers, where the commit is done and nobody has heard of it, and the first words, where it isn't.
        moments: list[tuple[Side, int]] = []
        for number in range(min(sides.values())):
            moments.append(("heard", sides["heard"] - 1 - number))
            moments.append(("said", number))
        with pytest.raises((AssertionError, Conflict)):
            trial.cut_at(moments)
