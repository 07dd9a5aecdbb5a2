"""Whoever judged a writer silent may fence that one, and nobody who came after it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.agents.family import Going, taken
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of
from perdure.log.port import Holder, Lease, NewRun
from perdure.values.errors import Held
from tests.worker.test_registry import aged, process

TAKERS = 8

Taking = Callable[[PostgresStore, Holder, int], Lease]


def _judged(store: PostgresStore, holder: Holder, epoch: int) -> Lease:
    return taken(store, "r", holder, Going(judged=epoch))


def _hasty(store: PostgresStore, holder: Holder, epoch: int) -> Lease:
    """Fence whoever has the run now, as a build did that is broken."""
    del epoch
    return taken(store, "r", holder, Going(take_over=True))


def _far(name: str) -> Holder:
    return Holder(f"another host of {name}", 7, "then", name)


def _raced(store: Store, taking: Taking) -> list[int]:
    """Return the epochs that were granted to workers that judged the same writer, all at once."""
    books = store.books
    assert isinstance(books, PostgresStore)
    books.create(NewRun("r", "r", "default", 1))
    epoch = books.acquire("r", _far("silent")).epoch
    ready = threading.Barrier(TAKERS)

    def take(name: str) -> int | None:
        ready.wait()
        try:
            return taking(books, _far(name), epoch).epoch
        except Held:
            return None

    with ThreadPoolExecutor(TAKERS) as threads:
        granted = list(threads.map(take, [f"taker {number}" for number in range(TAKERS)]))
    return [each for each in granted if each is not None]


def test_of_workers_that_judge_the_same_writer_one_takes_its_run_and_none_fences_another(store: Store):
    assert _raced(store, _judged) == [2]


def test_workers_that_take_a_run_from_whoever_has_it_are_caught(store: Store):
    assert len(_raced(store, _hasty)) > 1


def test_a_run_that_was_given_back_meanwhile_is_taken_in_order(store: Store):
    books = store.books
    assert isinstance(books, PostgresStore)
    books.create(NewRun("r", "r", "default", 1))
    first = books.acquire("r", _far("silent")).epoch
    second = books.take_from(first, "r", _far("second")).epoch
    with pytest.raises(Held):
        books.take_from(first, "r", _far("late"))
    books.release("r", second)
    assert books.take_from(first, "r", _far("late")).epoch == 3


def test_a_writer_that_was_judged_silent_is_fenced_by_whoever_goes_on_and_one_that_was_not_is_not(
    dsn: str, store: Store
):
    books = store.books
    books.create(NewRun("r", "r", "default", 1))
    (base,) = bases_of(dsn)
    try:
        base.registry.enter(process("far", 7))
        books.acquire("r", Holder("far", 7, "7", "one"))
        with pytest.raises(Held):
            taken(books, "r", _far("another"), Going())
        aged(dsn, 60)
        assert base.registry.judge("near", 30) == ["far/7/7"]
        assert taken(books, "r", _far("another"), Going()).epoch == 2
        with pytest.raises(Held):
            taken(books, "r", _far("third"), Going())
    finally:
        base.close()
