"""The people of a trial: they allow what is asked, answer questions, and at the end say what became of doubts.

They do not settle a doubt while faults still land: whether it was needed is for the oracle to say.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import perdure
from perdure.demo.bank_launch import RunningBank
from perdure.projection.state import Effect, State
from perdure.values.errors import PerdureError, Unsettled

LOOK_SECONDS: Final = 0.3


T = TypeVar("T")


class Visitor:
    """Somebody who uses the store from outside, and opens it anew where it has failed."""

    def __init__(self, location: str) -> None:
        """Visit the store at ``location``."""
        self._location: str = location
        self._store: perdure.Store | None = None

    def ask(self, work: Callable[[perdure.Store], T]) -> T | None:
        """Return what ``work`` finds; None where the store can't be reached now."""
        try:
            if self._store is None:
                self._store = perdure.open(self._location)
            return work(self._store)
        except (PerdureError, TimeoutError):
            self.leave()
            return None

    def leave(self) -> None:
        """Nothing is open any more."""
        store, self._store = self._store, None
        if store is not None:
            with contextlib.suppress(PerdureError):
                store.close()


class People(threading.Thread):
    """Somebody who looks at all runs that wait, again and again, whatever happens to the database."""

    def __init__(self, location: str) -> None:
        """Look at the store at ``location``."""
        super().__init__(name="people", daemon=True)
        self._location: str = location
        self._ended: threading.Event = threading.Event()
        self._seen: dict[str, int] = {}
        self.answers: int = 0

    def run(self) -> None:
        """Answer until the end."""
        visitor = Visitor(self._location)
        while not self._ended.wait(LOOK_SECONDS):
            visitor.ask(self._look)
        visitor.leave()

    def end(self) -> None:
        """Nobody answers any more."""
        self._ended.set()
        self.join()

    def _look(self, store: perdure.Store) -> None:
        for row in store.runs():
            if row.status != "waiting" or self._seen.get(row.run) == row.position:
                continue
            self._answer(store, row.run)
            self._seen[row.run] = row.position

    def _answer(self, store: perdure.Store, run: str) -> None:
        state = store.state(run)
        for approval in state.world.approvals.values():
            if approval.phase == "asked":
                with contextlib.suppress(Unsettled):
                    store.approve(run, approval.id, by="ann")
                    self.answers += 1
        if state.wait == "person":
            store.message(run, "Yes, go on.", name=f"answer-{state.position}")
            self.answers += 1


def doubts_of(state: State) -> list[Effect]:
    """Return the effects of which the run doesn't know whether they happened."""
    return [effect for effect in state.world.open.values() if effect.phase == "doubted"]


def settle_doubts(store: perdure.Store, bank: RunningBank, run: str) -> int:
    """Say of every doubt of ``run`` what the bank's own ledger says; return how many there were."""
    paid = {payment.memo: payment for payment in bank.statement().payments if payment.memo}
    doubts = doubts_of(store.state(run))
    for effect in doubts:
        found = paid.get(effect.key)
        if found is not None:
            store.settle(run, effect.key, "succeeded", result=found.payment_id, by="ann")
        else:
            store.settle(run, effect.key, "retry", by="ann")
    return len(doubts)
