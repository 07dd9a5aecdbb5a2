"""Any order of calls, on every store, compared with plain lists and dicts."""

from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conformance.machine import StoreMachine
from tests.conformance.stores import STORES, Factory, skip_if_missing

STEPS = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class MemoryMachine(StoreMachine):
    factory: ClassVar[Factory] = STORES["memory"]


class ShardsMachine(StoreMachine):
    factory: ClassVar[Factory] = STORES["shards"]


class SqliteMachine(StoreMachine):
    factory: ClassVar[Factory] = STORES["sqlite"]
    keeps: ClassVar[bool] = True


class PostgresMachine(StoreMachine):
    factory: ClassVar[Factory] = STORES["postgres"]
    keeps: ClassVar[bool] = True


def test_the_store_in_memory_remembers_what_plain_lists_and_dicts_do():
    run_state_machine_as_test(MemoryMachine, settings=STEPS)


def test_a_store_of_shards_remembers_what_plain_lists_and_dicts_do():
    run_state_machine_as_test(ShardsMachine, settings=settings(STEPS, max_examples=30))


def test_the_store_in_a_file_remembers_what_plain_lists_and_dicts_do():
    run_state_machine_as_test(SqliteMachine, settings=settings(STEPS, max_examples=30))


def test_the_store_in_a_database_remembers_what_plain_lists_and_dicts_do():
    skip_if_missing("postgres")
    run_state_machine_as_test(PostgresMachine, settings=settings(STEPS, max_examples=12))
