"""Random histories that move between stores at random are what plain lists and dicts remember."""

import tempfile
from pathlib import Path
from typing import ClassVar

from hypothesis import settings
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.conformance.machine import StoreMachine
from tests.conformance.stores import STORES, Factory, Store
from tests.conformance.test_machine import STEPS
from tests.copying.kit import COUNTER, moved


class MovingMachine(StoreMachine):
    """The store changes under the history."""

    factory: ClassVar[Factory] = STORES["memory"]
    other: ClassVar[Factory] = STORES["memory"]
    money: ClassVar[str] = COUNTER

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: Store = type(self).other(Path(tempfile.mkdtemp(dir=self.directory)))

    def teardown(self) -> None:
        self.elsewhere.close()
        super().teardown()

    @rule()
    def move(self) -> None:
        for name, run in self.world.runs.items():
            if run.token is not None:
                self.store.release(name, run.epoch)
                self.world.release(name, run.epoch, ended=True)
        moved(self.store, self.elsewhere)
        for name in self.world.runs:
            assert self.world.acquire(name, "mover", take_over=False) is not None
            self.world.release(name, self.world.runs[name].epoch, ended=True)
            self.world.living.discard("mover")
        self.store, self.elsewhere = self.elsewhere, self.store
        # what no event names stays behind
        self.world.blobs.clear()


class MovingToSqlite(MovingMachine):
    other: ClassVar[Factory] = STORES["sqlite"]


def test_histories_that_move_between_stores_in_memory_stay_the_same():
    run_state_machine_as_test(MovingMachine, settings=settings(STEPS, max_examples=60))


def test_histories_that_move_to_a_file_and_back_stay_the_same():
    run_state_machine_as_test(MovingToSqlite, settings=settings(STEPS, max_examples=12))
