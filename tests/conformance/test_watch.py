"""``watch``: whoever waits wakes when something has changed, and not before."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from perdure.log.port import NewRun
from tests.conformance.stores import SECONDS, Store, holder, opened_run, post


def test_without_a_change_the_mark_stays(store: Store):
    opened_run(store)
    mark = store.watch(-1, 0)
    began = time.monotonic()
    assert store.watch(mark, 0.1) == mark
    assert time.monotonic() - began >= 0.1


def test_a_change_that_came_before_the_wait_is_not_missed(store: Store):
    writer = opened_run(store)
    mark = store.watch(-1, 0)
    writer.append()
    assert store.watch(mark, SECONDS) > mark


@pytest.mark.parametrize("change", ["append", "post", "create", "acquire", "release"])
def test_every_change_wakes_who_waits(store: Store, change: str):
    writer = opened_run(store)
    mark = store.watch(-1, 0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(store.watch, mark, SECONDS)
        match change:
            case "append":
                writer.append()
            case "post":
                store.post("march", post("p1"))
            case "create":
                store.create(NewRun("april", "april", "acme", 7))
            case "acquire":
                store.acquire("march", holder("w2"), take_over=True)
            case _:
                store.release("march", 1)
        assert waiting.result(SECONDS) > mark


def test_several_waiters_all_wake(store: Store):
    writer = opened_run(store)
    mark = store.watch(-1, 0)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(store.watch, mark, SECONDS) for _ in range(4)]
        writer.append()
        assert all(answer.result(SECONDS) > mark for answer in waiting)


def test_a_refused_batch_is_no_change(store: Store):
    writer = opened_run(store)
    mark = store.watch(-1, 0)
    store.append(writer.batch()._replace(expected=5)).exception(SECONDS)
    assert store.watch(mark, 0.1) == mark
