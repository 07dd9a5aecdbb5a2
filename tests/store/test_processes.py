"""Several processes on one file: nobody is refused, nobody waits long, and the rules hold between them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.store import SqliteStore
from perdure.adapters.sqlite.turnstile import Turnstile
from perdure.log.envelope import GENESIS
from perdure.log.port import Appended, NewRun
from perdure.values.errors import Busy, StoreFailed
from tests.conformance.stores import SECONDS, Writer, opened_run
from tests.store.writing import events_of

ROOT = Path(__file__).parents[2]

ACQUIRE = """
import sys
from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.store import SqliteStore
from perdure.values.errors import Held
with SqliteStore(sys.argv[1]) as store:
    print("ready", flush=True)
    input()
    try:
        print(store.acquire("march", this_holder("child")).epoch, flush=True)
    except Held:
        print("held", flush=True)
    input()
"""


def writing(place: Path, run: str, seconds: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.writing", str(place), run, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_four_processes_append_at_once_and_all_of_it_is_there(place: Path):
    SqliteStore(place).close()
    names = [f"run-{number}" for number in range(4)]
    programs = [writing(place, name, 1.5) for name in names]
    told = [program.communicate(timeout=60)[0].split()[-1] for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0, 0]
    with SqliteStore(place) as store:
        for name, position in zip(names, told, strict=True):
            events = list(store.read(name, 0, 100_000))
            assert len(events) == int(position)
            assert events == events_of(name, 0, len(events), GENESIS)


def test_nobody_waits_long_beside_three_busy_processes(place: Path):
    with SqliteStore(place, setup=Setup(busy_seconds=10)) as store:
        writer = opened_run(store)
        programs = [writing(place, f"run-{number}", SECONDS) for number in range(3)]
        try:
            for program in programs:
                assert program.stdout is not None
                assert program.stdout.readline()
            # Who was starved here would be told that the store is busy.
            for _ in range(50):
                writer.append()
            assert [program.poll() for program in programs] == [None] * 3
        finally:
            for program in programs:
                program.kill()
                program.communicate()


def test_of_many_processes_that_take_a_run_at_once_one_wins(place: Path):
    with SqliteStore(place) as store:
        store.create(NewRun("march", "march", "acme", 1))
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", ACQUIRE, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    answers = [program.stdout.readline().strip() for program in programs if program.stdout is not None]
    for program in programs:
        program.communicate("\n")
    assert sorted(answers) == ["1", "held", "held", "held", "held", "held"]


def test_what_another_process_writes_wakes_who_waits(place: Path):
    with SqliteStore(place) as store:
        store.create(NewRun("april", "april", "acme", 1))
        mark = store.watch(-1, 0)
        program = writing(place, "march", 0.1)
        assert store.watch(mark, SECONDS) > mark
        program.communicate()
        assert store.rows("march")


def test_two_store_objects_of_one_process_see_each_others_runs(place: Path):
    with SqliteStore(place) as one, SqliteStore(place) as two:
        first = opened_run(one)
        first.append()
        second = opened_run(two, "april", "w2")
        for _ in range(5):
            first.append()
            second.append()
        assert len(two.read("march")) == 6
        assert two.rows() == one.rows()
        lease = two.acquire("march", this_holder("w3"), take_over=True)
        mine = Writer(two, "march", lease, first.position, first.head)
        assert mine.append() == Appended(7)
        with pytest.raises(Exception, match="may not write"):
            first.append()


@pytest.mark.parametrize("held_by", ["sqlite", "turnstile"])
def test_a_store_held_too_long_is_busy_and_goes_on_afterwards(place: Path, held_by: str):
    with SqliteStore(place, setup=Setup(busy_seconds=0.2)) as store:
        writer = opened_run(store)
        other = apsw.Connection(str(place / "log.db"))
        turn = Turnstile(place / "log.db-turn", 1)
        began = time.monotonic()
        if held_by == "sqlite":
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy):
                writer.append()
            other.execute("ROLLBACK")
        else:
            with turn.held(), pytest.raises(Busy):
                writer.append()
        assert 0.15 < time.monotonic() - began < SECONDS
        other.close()
        assert writer.append() == Appended(1)


def test_readers_are_not_held_up_by_writers(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append()
        other = apsw.Connection(str(place / "log.db"))
        other.execute("BEGIN IMMEDIATE")
        assert len(store.read("march")) == 1
        assert store.rows("march")[0].position == 1
        other.execute("ROLLBACK")
        other.close()


def test_a_forked_child_is_told_to_open_its_own(store: SqliteStore, writer: Writer):
    writer.append()
    child = os.fork()
    if child == 0:
        refused = isinstance(store.append(writer.batch()).exception(SECONDS), StoreFailed)
        os._exit(0 if refused else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert writer.append() == Appended(2)


def test_a_store_that_is_closed_answers_everyone(place: Path):
    store = SqliteStore(place)
    writers = [opened_run(store, f"run-{number}") for number in range(8)]
    answers: list[bool] = []
    ready = threading.Barrier(9)

    def write(writer: Writer) -> None:
        ready.wait()
        for _ in range(200):
            error = store.append(writer.batch(0)).exception(SECONDS)
            answers.append(error is None or isinstance(error, StoreFailed))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    ready.wait()
    store.close()
    for thread in threads:
        thread.join(SECONDS)
    assert len(answers) == 8 * 200
    assert all(answers)
