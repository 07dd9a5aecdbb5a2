"""``acquire`` and ``release``: one writer at a time, and what is proved of the ones before."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from perdure.adapters import holders
from perdure.log.port import Appended, Holder, Lease, NewRun
from perdure.values.errors import Fenced, Held, UnknownRun
from tests.conformance.stores import Store, Writer, holder, opened_run


@pytest.fixture
def run(store: Store) -> str:
    assert store.create(NewRun("march", "march", "acme", 7))
    return "march"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_epochs_grow_by_one(store: Store, run: str):
    for epoch in range(1, 5):
        assert store.acquire(run, holder("w1")).epoch == epoch
        store.release(run, epoch)


def test_a_run_that_is_not_there_has_no_lease(store: Store):
    with pytest.raises(UnknownRun):
        store.acquire("april", holder("w1"))
    with pytest.raises(UnknownRun):
        store.release("april", 1)


def test_a_living_writer_keeps_its_run(store: Store, run: str):
    store.acquire(run, holder("w1"))
    with pytest.raises(Held):
        store.acquire(run, holder("w2"))
    assert store.rows(run)[0].epoch == 1


def test_a_take_over_names_the_one_that_may_still_live(store: Store, run: str):
    store.acquire(run, holder("w1"))
    assert store.acquire(run, holder("w2"), take_over=True) == Lease(2, dead=(), alive=(1,))


def test_a_writer_that_gave_back_and_still_runs_is_not_dead(store: Store, run: str):
    store.acquire(run, holder("w1"))
    store.release(run, 1, ended=False)
    assert store.rows(run)[0].holder is None
    assert store.acquire(run, holder("w2")) == Lease(2, dead=(), alive=(1,))
    store.release(run, 2)
    assert store.acquire(run, holder("w3")) == Lease(3, dead=(2,), alive=(1,))


def test_a_released_writer_is_dead(store: Store, run: str):
    store.acquire(run, holder("w1"))
    store.release(run, 1)
    assert store.acquire(run, holder("w2")) == Lease(2, dead=(1,), alive=())


def test_a_stale_release_frees_nothing_and_proves_its_own_end(store: Store, run: str):
    store.acquire(run, holder("w1"))
    store.acquire(run, holder("w2"), take_over=True)
    store.release(run, 1)
    with pytest.raises(Held):
        store.acquire(run, holder("w3"))
    assert store.acquire(run, holder("w3"), take_over=True) == Lease(3, dead=(1,), alive=(2,))


def test_a_writer_of_this_process_whose_token_ended_is_dead(store: Store, run: str):
    store.acquire(run, holder("w1"))
    holders.end("w1")
    assert store.acquire(run, holder("w2")) == Lease(2, dead=(1,), alive=())


def test_a_killed_process_is_dead_even_before_it_is_reaped(
    store: Store, run: str, child: "subprocess.Popen[bytes]"
):
    store.acquire(run, holders.holder_of(child.pid, "w1"))
    with pytest.raises(Held):
        store.acquire(run, holder("w2"))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert store.acquire(run, holder("w2")) == Lease(2, dead=(1,), alive=())


def test_a_stopped_process_is_alive(store: Store, run: str, child: "subprocess.Popen[bytes]"):
    store.acquire(run, holders.holder_of(child.pid, "w1"))
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    with pytest.raises(Held):
        store.acquire(run, holder("w2"))
    assert store.acquire(run, holder("w2"), take_over=True) == Lease(2, dead=(), alive=(1,))


def test_a_process_id_that_was_given_out_again_proves_the_first_one_dead(
    store: Store, run: str, child: "subprocess.Popen[bytes]"
):
    now = holders.holder_of(child.pid, "w1")
    store.acquire(run, Holder(now.host, now.pid, str(int(now.started) - 1), "w1"))
    assert store.acquire(run, holder("w2")) == Lease(2, dead=(1,), alive=())


def test_a_writer_on_another_host_is_never_proved_dead(store: Store, run: str):
    store.acquire(run, Holder("elsewhere", 1, "1", "w1"))
    with pytest.raises(Held):
        store.acquire(run, holder("w2"))
    assert store.acquire(run, holder("w2"), take_over=True) == Lease(2, dead=(), alive=(1,))


def test_the_dead_are_named_until_one_who_was_told_has_appended(store: Store, run: str):
    store.acquire(run, holder("w1"))
    store.release(run, 1)
    assert store.acquire(run, holder("w2")).dead == (1,)
    store.release(run, 2)
    assert store.acquire(run, holder("w3")).dead == (1, 2)
    Writer(store, run, Lease(3)).append()
    store.release(run, 3)
    assert store.acquire(run, holder("w4")).dead == (3,)


def test_an_overtaken_writer_that_dies_later_is_proved_dead_then(store: Store, run: str):
    store.acquire(run, holder("w1"))
    second = Writer(store, run, store.acquire(run, holder("w2"), take_over=True))
    second.append()
    store.release(run, 2)
    third = Writer(store, run, store.acquire(run, holder("w3")), 1, second.head)
    third.append()
    holders.end("w1")
    store.release(run, 3)
    assert store.acquire(run, holder("w4")) == Lease(4, dead=(1, 3), alive=())


def test_of_many_who_take_a_run_at_once_one_wins(store: Store, run: str):
    def attempt(number: int) -> int | None:
        try:
            return store.acquire(run, holder(f"w{number}")).epoch
        except Held:
            return None

    with ThreadPoolExecutor(8) as threads:
        epochs = [epoch for epoch in threads.map(attempt, range(8)) if epoch is not None]
    assert epochs == [1]


def test_of_many_who_take_over_at_once_all_but_the_last_are_fenced(store: Store, run: str):
    store.acquire(run, holder("w0"))

    def attempt(number: int) -> Lease:
        return store.acquire(run, holder(f"w{number}"), take_over=True)

    with ThreadPoolExecutor(8) as threads:
        leases = sorted(threads.map(attempt, range(1, 9)))
    assert [lease.epoch for lease in leases] == list(range(2, 10))
    for lease in leases[:-1]:
        with pytest.raises(Fenced):
            Writer(store, run, lease).append()
    assert Writer(store, run, leases[-1]).append() == Appended(1)


def test_runs_have_writers_of_their_own(store: Store):
    march, april = opened_run(store, token="w1"), opened_run(store, "april", token="w2")
    assert (march.epoch, april.epoch) == (1, 1)
    march.append()
    april.append()
    assert store.rows("march")[0].holder != store.rows("april")[0].holder
