"""One run as a caller holds it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

from perdure.assembly.outcomes import Failed, Finished, Outcome, Waiting
from perdure.driver.books import text_of
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.values.errors import BadInput

if TYPE_CHECKING:
    from perdure.assembly.store import Store


class Run:
    """A run: driven by this process if it was started or resumed here."""

    def __init__(self, store: "Store", name: str, driving: "Future[State] | None") -> None:
        """Stand for run ``name`` of ``store``."""
        self._store: Store = store
        self.name: str = name
        self._driving: Future[State] | None = driving

    def wait(self, timeout: float | None = None) -> Outcome:
        """Block until the run rests and return how. Raises ``TimeoutError`` after ``timeout`` seconds.

        Raises ``Fenced`` if another writer took it over, ``StoreFailed`` if the disk failed.
        """
        return self._outcome(self._driven().result(timeout))

    async def finish(self) -> Outcome:
        """Wait, in the caller's event loop, until the run rests and return how."""
        return self._outcome(await asyncio.wrap_future(self._driven()))

    @property
    def state(self) -> State:
        """The run's state as the log has it now."""
        return self._store.state(self.name)

    @property
    def outcome(self) -> Outcome:
        """How the run stands by its log, whoever drives it."""
        return self._outcome(self.state)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Yield its events past position ``after``."""
        return self._store.events(self.name, after)

    def message(self, text: str, *, id: str | None = None) -> None:
        """Say something to the model."""
        self._store.message(self.name, text, id=id)

    def approve(self, approval: str, *, by: str = "operator") -> None:
        """Allow exactly what ``approval`` asks."""
        self._store.approve(self.name, approval, by=by)

    def cancel(self, why: str = "") -> None:
        """End the run."""
        self._store.cancel(self.name, why=why)

    def let_go(self) -> None:
        """Stop driving it here; it can be resumed, here or elsewhere."""
        if self._driving is not None and self._driving.cancel():
            try:
                self._driving.result(None)
            except CancelledError:
                pass

    def _driven(self) -> "Future[State]":
        if self._driving is None:
            raise BadInput(f"run {self.name!r} is not driven here", hint="resume it with store.resume(agent, run)")
        return self._driving

    def _outcome(self, state: State) -> Outcome:
        match state.status:
            case "finished":
                return Finished(self.name, text_of(self._store.books, state.answer))
            case "failed" | "cancelled":
                return Failed(self.name, state.status, state.why)
            case "waiting" | "running":
                why, text = state.wait or "person", state.wait_text or "it was told nothing yet"
                return Waiting(self.name, why, text)
