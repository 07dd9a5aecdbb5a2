"""Several processes that write one store: each run by one of them, and what they share by whoever comes first."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.events import CounterSeen
from perdure.log.port import Appended, CounterMoved
from perdure.values.errors import Fenced, StoreAway
from tests.conformance.stores import Writer, claim, holder, opened_run
from tests.postgres.severing import Severer
from tests.servers.postgres import Server
from tests.servers.shared import server

ROOT = Path(__file__).parents[2]
SECONDS = 60

SYNC = b"S"
"""the message that ends a round trip"""


def started(*words: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres.writing", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def told(processes: "Sequence[subprocess.Popen[str]]") -> list[str]:
    """Let all go at once; return what each printed."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said: list[str] = []
    for process in processes:
        out, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        said.append(out)
    return said


def test_two_processes_write_many_runs_side_by_side(database: str):
    said = told([started("many", database, name, "8", "25") for name in ("first", "second")])
    with PostgresStore(database) as store:
        for out in said:
            for run, batches in json.loads(out).items():
                assert batches == 25
                assert len(store.read(run)) == 50
        with psycopg.connect(database) as db:
            row = db.execute("SELECT count(*), count(DISTINCT xid) FROM perdure.feed").fetchone()
    assert row is not None
    assert row[0] == 2 * 8 * 25
    assert row[1] < row[0], "batches shared transactions"


def test_claims_and_counters_that_cross_between_processes_make_nobody_wait_for_ever(database: str):
    before = server().said().count("deadlock")
    said = told([started("crossing", database, name, "40") for name in ("first", "second")])
    won = [key for out in said for key in json.loads(out)]
    assert len(won) == len(set(won)) == 160, "each was won once, by one of them"
    with PostgresStore(database) as store:
        assert [each.used for each in store.counters(["c1", "c2", "c3", "c4"])] == [80] * 4
        assert len(store.claims()) == 160
    assert server().said().count("deadlock") == before


def test_a_killed_process_leaves_whole_batches_only(database: str):
    process = started("many", database, "first", "8", "100000")
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    with PostgresStore(database) as store:
        mark = -1
        while sum(row.position for row in store.rows()) < 400:
            mark = store.watch(mark, 0.2)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SECONDS)
        for run in sorted(row.run for row in store.rows()):
            # What the server had begun to commit for the dead one may come until it is fenced.
            lease = store.acquire(run, holder("after"))
            assert lease.dead == (1,)
            (row,) = store.rows(run)
            assert len(store.read(run)) == row.position
            assert row.position % 2 == 0
            assert Writer(store, run, lease, row.position, row.head).append() == Appended(row.position + 1)


@pytest.mark.parametrize("past", [0, 1, 3, 7])
def test_a_writer_that_was_stopped_in_the_middle_is_refused_when_it_goes_on(database: str, past: int):
    severer = Severer(server().port)
    way = database.replace(f":{server().port}/", f":{severer.port}/") + "?sslmode=disable&gssencmode=disable"
    quick = Setup(idle_seconds=0.3)
    with PostgresStore(way, setup=quick) as stale, PostgresStore(database, setup=quick) as fresh:
        first = opened_run(stale)
        for number in range(3):
            severer.arm(None)
            first.append(first.batch(opened=[claim(f"k{number}", f"s{number}")]))
        second_round = severer.said.index(SYNC) + 1

        def take_over() -> None:
            # The first one holds the run's row, and has gone silent: the server takes its transaction back.
            lease = fresh.acquire("march", holder("w2"), take_over=True)
            second = Writer(fresh, "march", lease, first.position, first.head)
            assert second.append(second.batch(text="theirs")) == Appended(4)

        # The whole first round trip was said, and a part of the second; the rest waits for the other writer.
        severer.arm("said", second_round + past, take_over)
        batch = first.batch(text="mine", opened=[claim("k9")])
        with pytest.raises(Fenced):
            stale.append(batch).result(SECONDS)
        assert severer.cut.wait(SECONDS)
        assert len(fresh.read("march")) == 4
        assert [each.key for each in fresh.claims()] == ["k0", "k1", "k2"]
    severer.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed."""
    with Server(tmp_path / "own") as running:
        yield running


def test_a_store_goes_on_after_its_server_was_restarted(own: Server):
    with PostgresStore(own.database("store"), setup=Setup(away_seconds=SECONDS)) as store:
        writer = opened_run(store)
        writer.append()
        own.kill()
        pending = store.append(writer.batch(counters=[CounterMoved("money", 1, 9)]))
        own.start()
        assert pending.result(SECONDS) == Appended(2)
        assert store.counters(["money"]) == [CounterSeen("money", 1)]
        assert len(store.read("march")) == 2


def test_a_server_that_stays_away_is_said_within_a_bound_and_nothing_is_lost_to_it(own: Server):
    with PostgresStore(own.database("store"), setup=Setup(away_seconds=0.3)) as store:
        writer = opened_run(store)
        writer.append()
        own.stop()
        with pytest.raises(StoreAway):
            writer.append()
        own.start()
        assert writer.append() == Appended(2)
