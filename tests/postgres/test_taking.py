"""Threads of one process take a run at once: who has been granted it is alive before anybody can see that."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from perdure.adapters import holders
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import NewRun
from perdure.values.errors import Held, StoreFailed
from tests.conformance.stores import holder

T = TypeVar("T")
Verb = Callable[[Database, bool], T]


@pytest.fixture
def run(store: PostgresStore) -> str:
    store.create(NewRun("r", "r", "default", 1))
    return "r"


def taken_between(store: PostgresStore, run: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Take the run while another thread, which has just been granted it, doesn't know yet; return the other's epoch."""
    do, epochs = Desk.do, list[int]()

    def slow(
        desk: Desk, doing: str, verb: Verb[T], *, blocked: Callable[[Database], None] | None = None
    ) -> T:
        answer = do(desk, doing, verb, blocked=blocked)
        if doing == f"taking {run}":
            monkeypatch.undo()
            epochs.append(store.acquire(run, holder("second")).epoch)
        return answer

    monkeypatch.setattr(Desk, "do", slow)
    return store.acquire(run, holder("first")).epoch


def test_who_was_granted_a_run_a_moment_ago_is_alive(
    store: PostgresStore, run: str, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(Held):
        taken_between(store, run, monkeypatch)


def test_a_store_that_tells_of_life_after_the_grant_is_caught(
    store: PostgresStore, run: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as late:
        late.setattr(holders, "begin", lambda _: False)
        assert taken_between(store, run, monkeypatch) == 1
    assert store.rows(run)[0].epoch == 2


def test_a_taking_that_fails_leaves_nobody_alive(
    store: PostgresStore, run: str, monkeypatch: pytest.MonkeyPatch
):
    do = Desk.do

    def lost(
        desk: Desk, doing: str, verb: Verb[T], *, blocked: Callable[[Database], None] | None = None
    ) -> T:
        do(desk, doing, verb, blocked=blocked)
        raise StoreFailed("the answer is lost")

    with monkeypatch.context() as away:
        away.setattr(Desk, "do", lost)
        with pytest.raises(StoreFailed):
            store.acquire(run, holder("first"))
    assert store.acquire(run, holder("second")).epoch == 2
