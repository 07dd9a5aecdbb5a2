"""Batches that share a transaction: what is wrong with one, or too much for all, harms no other."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.log.events import CounterSeen
from perdure.log.port import Appended, CounterMoved, Remembered
from perdure.values.errors import BadInput
from tests.conformance.stores import claim, opened_run

SECONDS = 60
LEFT = 1000
"""locks that the server still has, or twice as many: enough for a batch, not for all of them"""


@contextmanager
def gathering(database: str, store: PostgresStore) -> Generator[None]:
    """What is appended meanwhile shares one transaction."""
    first = opened_run(store, "first")
    with psycopg.connect(database) as other:
        other.execute("SELECT 1 FROM perdure.runs WHERE name = 'first' FOR UPDATE")
        held = store.append(first.batch())
        yield
    assert isinstance(held.result(SECONDS), Appended)


def test_a_number_that_no_column_holds_is_one_batch_s_fault(store: PostgresStore, database: str):
    good, bad = opened_run(store, "good"), opened_run(store, "bad")
    with gathering(database, store):
        answers = [
            store.append(bad.batch(counters=[CounterMoved("money", 2**63, 2**64)])),
            store.append(good.batch()),
        ]
    with pytest.raises(BadInput):
        answers[0].result(SECONDS)
    assert isinstance(answers[1].result(SECONDS), Appended)


def test_a_group_that_needs_more_locks_than_the_server_has_left_is_written_in_parts(
    store: PostgresStore, database: str
):
    runs, claims = 10, LEFT // 8
    writers = [opened_run(store, f"r{number}") for number in range(runs)]
    answers: list[Future[Appended | Remembered]] = []
    with psycopg.connect(database) as other:
        with gathering(database, store):
            take_locks(other)
            for number, writer in enumerate(writers):
                opened = [claim(f"k{number}-{each}", f"s{number}-{each}") for each in range(claims)]
                answers.append(store.append(writer.batch(opened=opened)))
        assert all(isinstance(answer.result(SECONDS), Appended) for answer in answers)
    assert len(store.claims()) == runs * claims


def take_locks(db: psycopg.Connection) -> None:
    """Hold so many that between ``LEFT`` and twice as many are left."""
    for step in range(1000):
        db.execute(f"SAVEPOINT s{step}".encode())
        try:
            db.execute(
                "SELECT count(pg_advisory_xact_lock(7, each)) FROM generate_series(%s::int, %s::int) each",
                (step * LEFT, step * LEFT + LEFT - 1),
            )
        except psycopg.errors.OutOfMemory:
            db.execute(f"ROLLBACK TO SAVEPOINT s{step - 1}".encode())
            return


def test_counters_that_a_copy_brings_are_not_lost_beside_a_writer_that_counts(
    store: PostgresStore, database: str
):
    writer = opened_run(store, "r")
    with psycopg.connect(database) as other:
        # The writer has read the counters, and gets no further.
        other.execute("LOCK TABLE perdure.feed IN EXCLUSIVE MODE")
        answer = store.append(writer.batch(counters=[CounterMoved("money", 1, 100)]))
        until(lambda: waiting(database) == 1)
        with ThreadPoolExecutor(1) as thread:
            received = thread.submit(store.carrier().receive, "elsewhere", {"money": 5})
            # Without the counters' locks it would be done here.
            until(lambda: received.done() or waiting(database) == 2)
            other.rollback()
            received.result(SECONDS)
    assert isinstance(answer.result(SECONDS), Appended)
    assert store.counters(["money"]) == [CounterSeen("money", 6)]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def waiting(database: str) -> int:
    """Return how many wait for a lock."""
    with psycopg.connect(database) as db:
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    assert row is not None
    return row[0]
