"""The suite bites: every store that breaks a promise fails a test that names it, and the machine."""

import inspect
from collections.abc import Callable
from typing import ClassVar, cast

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from perdure.adapters.memory.store import MemoryStore
from perdure.values.errors import PerdureError
from tests.conformance import (
    test_append,
    test_claims,
    test_counters,
    test_fork,
    test_inbox,
    test_lease,
    test_read,
)
from tests.conformance.broken import BROKEN
from tests.conformance.machine import StoreMachine
from tests.conformance.stores import Factory, Store
from tests.conformance.test_machine import STEPS

SUITE = (test_append, test_claims, test_counters, test_fork, test_inbox, test_lease, test_read)

CAUGHT_BY = {
    "FencingOff": "test_a_writer_that_was_taken_over_is_fenced",
    "AnyPosition": "test_an_event_that_leaves_a_gap_is_a_conflict",
    "ClaimsOff": "test_a_key_is_never_taken_twice",
    "ClaimsAfterwards": "test_two_batches_under_way_at_once_do_not_both_take_an_identity",
    "LimitsOff": "test_runs_that_spend_at_once_stay_within_the_limit",
    "HalfBatches": "test_posts_leave_with_the_events_that_took_them_in",
    "SameEpoch": "test_a_writer_that_was_taken_over_is_fenced",
    "ShortReads": "test_positions_grow_from_one_without_gaps",
}

Sentence = Callable[[Store], None]


def sentences() -> dict[str, Sentence]:
    """Return the suite's tests that need nothing but a store."""
    return {
        name: cast("Sentence", test)
        for module in SUITE
        for name, test in vars(module).items()
        if name.startswith("test_") and list(inspect.signature(test).parameters) == ["store"]
    }


def failing(make: Callable[[], Store]) -> set[str]:
    failed: set[str] = set()
    for name, sentence in sentences().items():
        store = make()
        try:
            sentence(store)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - any failure is a catch
            failed.add(name)
        finally:
            store.close()
    return failed


def test_a_whole_store_passes_every_sentence():
    assert len(sentences()) > 40
    assert failing(MemoryStore) == set()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_store_fails_the_sentence_about_it(broken: type[MemoryStore]):
    assert CAUGHT_BY[broken.__name__] in failing(broken)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_store_does_not_get_past_the_machine(broken: type[MemoryStore]):
    class BrokenMachine(StoreMachine):
        factory: ClassVar[Factory] = staticmethod(lambda _directory: broken())

    quick = settings(
        STEPS, max_examples=1000, phases=[Phase.generate], derandomize=True, report_multiple_bugs=False
    )
    with pytest.raises((AssertionError, KeyError, PerdureError)):
        run_state_machine_as_test(BrokenMachine, settings=quick)
