"""Counters: what several runs share is never moved beyond its limit."""

import pytest

from perdure.log.events import CounterSeen
from perdure.log.port import Appended, CounterMoved, Remembered
from tests.conformance.stores import SECONDS, Store, claim, opened_run


def test_a_counter_adds_up_over_runs(store: Store):
    march, april = opened_run(store), opened_run(store, "april")
    march.append(march.batch(counters=[CounterMoved("money", 30, 100)]))
    april.append(april.batch(counters=[CounterMoved("money", 70, 100)]))
    assert store.counters(["money"]) == [CounterSeen("money", 100)]


def test_a_counter_that_was_never_moved_is_left_out(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(counters=[CounterMoved("money", 1, 100)]))
    assert store.counters(["calls", "money"]) == [CounterSeen("money", 1)]


def test_beyond_the_limit_nothing_is_written_and_the_store_tells_how_it_stands(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(counters=[CounterMoved("money", 90, 100)]))
    answer = writer.append(
        writer.batch(
            opened=[claim("k1")], counters=[CounterMoved("calls", 1, 9), CounterMoved("money", 11, 100)]
        )
    )
    assert answer == Remembered((), (CounterSeen("money", 90),))
    assert store.counters(["calls", "money"]) == [CounterSeen("money", 90)]
    assert store.claims() == []
    assert len(store.read("march")) == 1


def test_what_is_given_back_may_be_used_again(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(counters=[CounterMoved("money", 100, 100)]))
    writer.append(writer.batch(counters=[CounterMoved("money", -40, 0)]))
    assert writer.append(writer.batch(counters=[CounterMoved("money", 40, 100)])) == Appended(3)


def test_giving_back_is_never_refused(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(counters=[CounterMoved("money", 100, 100)]))
    assert writer.append(writer.batch(counters=[CounterMoved("money", -1, 10)])) == Appended(2)
    assert store.counters(["money"]) == [CounterSeen("money", 99)]


def test_moves_of_one_batch_count_together(store: Store):
    writer = opened_run(store)
    moves = [CounterMoved("money", 60, 100), CounterMoved("money", 60, 100)]
    assert isinstance(writer.append(writer.batch(counters=moves)), Remembered)
    assert isinstance(writer.append(writer.batch(counters=[moves[0]])), Appended)


def test_runs_that_spend_at_once_stay_within_the_limit(store: Store):
    writers = [opened_run(store, f"run-{number}") for number in range(10)]
    answers = [store.append(writer.batch(counters=[CounterMoved("money", 30, 100)])) for writer in writers]
    spent = [isinstance(answer.result(SECONDS), Appended) for answer in answers]
    assert spent.count(True) == 3
    assert store.counters(["money"]) == [CounterSeen("money", 90)]


@pytest.mark.parametrize("name", ["money/2026-03", "é", "a" * 200])
def test_counters_have_any_name(store: Store, name: str):
    writer = opened_run(store)
    writer.append(writer.batch(counters=[CounterMoved(name, 1, 2)]))
    assert store.counters([name]) == [CounterSeen(name, 1)]
