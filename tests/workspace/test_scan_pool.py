"""Snapshots take turns: a few at a time, the urgent first, and nobody who waits is held up for long."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from perdure.adapters.workspace.pool import Job, Pool


class Gate:
    """Work that says when it began and goes on when it may."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.began.set()
        assert self.may_end.wait(30)


def test_a_job_that_somebody_waits_for_goes_before_those_that_came_earlier() -> None:
    pool, order, gate = Pool(slots=1, patience=1000), list[str](), Gate()
    first = pool.submit(gate)
    assert gate.began.wait(30)
    jobs: dict[str, Job[None]] = {name: pool.submit(lambda name=name: order.append(name)) for name in "abc"}
    jobs["c"].hurry()
    gate.may_end.set()
    for job in (first, *jobs.values()):
        job.future.result(30)
    assert order == ["c", "a", "b"]


def test_no_more_run_at_once_than_there_are_slots() -> None:
    pool, lock, running, most = Pool(slots=2, patience=1000), threading.Lock(), set[int](), list[int]()
    both = threading.Barrier(2)

    def work(number: int) -> None:
        with lock:
            running.add(number)
            most.append(len(running))
        both.wait(30)
        with lock:
            running.remove(number)

    for job in [pool.submit(lambda number=number: work(number)) for number in range(8)]:
        job.future.result(30)
    assert max(most) == 2


def test_an_urgent_job_goes_ahead_when_its_patience_is_over() -> None:
    pool, gate = Pool(slots=1, patience=0.01), Gate()
    slow = pool.submit(gate)
    assert gate.began.wait(30)
    assert pool.submit(lambda: "done", urgent=True).future.result(30) == "done"
    assert not slow.future.done()
    gate.may_end.set()
    slow.future.result(30)


def test_a_job_that_fails_says_so_and_gives_its_turn_back() -> None:
    pool = Pool(slots=1, patience=1000)
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).future.result(30)
    assert pool.submit(lambda: 1).future.result(30) == 1


def test_a_job_that_is_cancelled_in_line_holds_up_nobody() -> None:
    pool, gate = Pool(slots=1, patience=1000), Gate()
    first = pool.submit(gate)
    assert gate.began.wait(30)
    second, third = pool.submit(lambda: 2), pool.submit(lambda: 3)
    assert second.future.cancel()
    gate.may_end.set()
    assert third.future.result(30) == 3
    first.future.result(30)


HOLDER = """
    import sys
    from pathlib import Path
    from perdure.adapters.workspace.pool import Pool
    def work():
        print("holding", flush=True)
        sys.stdin.readline()
    Pool(Path(sys.argv[1]), slots=1).submit(work).future.result()
"""


def test_processes_of_a_host_share_the_slots_and_a_killed_one_gives_its_back(tmp_path: Path) -> None:
    pool = Pool(tmp_path, slots=1, patience=0.05)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holding\n"
        waits = pool.submit(lambda: "in turn")
        ahead = Pool(tmp_path, slots=1, patience=0.05).submit(lambda: "ahead", urgent=True)
        assert ahead.future.result(30) == "ahead"
        assert not waits.future.done()
        holder.kill()
        assert waits.future.result(30) == "in turn"
