"""One run as a caller holds it."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Protocol

from perdure.assembly.blocking import result_of
from perdure.assembly.outcomes import Failed, Finished, Outcome, Waiting
from perdure.driver.books import text_of
from perdure.log.envelope import Event
from perdure.log.port import BlobStore
from perdure.projection.state import State
from perdure.values.errors import BadInput


class RunStore(Protocol):
    """What a run needs of its store."""

    @property
    def blobs(self) -> BlobStore:
        """Where content is read from."""
        ...

    def state(self, run: str, at: int | None = None) -> State:
        """Return the projection of ``run``."""
        ...

    def events(self, run: str, after: int = 0) -> Iterator[Event]:
        """Yield the run's events."""
        ...

    def message(self, run: str, text: str, *, name: str | None = None) -> State:
        """Say something to the model of ``run``."""
        ...

    def approve(self, run: str, approval: str, *, by: str = "operator") -> State:
        """Allow what ``approval`` asks."""
        ...

    def cancel(self, run: str, *, why: str = "") -> State:
        """End ``run``."""
        ...


class Run:
    """A run: driven by this process if it was started or resumed here."""

    def __init__(self, store: RunStore, name: str, driving: Future[State] | None) -> None:
        """Stand for run ``name`` of ``store``."""
        self._store: RunStore = store
        self.name: str = name
        self._driving: Future[State] | None = driving

    def wait(self, timeout: float | None = None) -> Outcome:
        """Block until the run rests and return how. Raises ``TimeoutError`` after ``timeout`` seconds.

        Raises ``Fenced`` if another writer took it over, ``StoreFailed`` if the disk failed.
        """
        return self._outcome(result_of(self._driven(), timeout))

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

    def message(self, text: str, *, name: str | None = None) -> None:
        """Say something to the model."""
        self._store.message(self.name, text, name=name)

    def approve(self, approval: str, *, by: str = "operator") -> None:
        """Allow exactly what ``approval`` asks."""
        self._store.approve(self.name, approval, by=by)

    def cancel(self, why: str = "") -> None:
        """End the run."""
        self._store.cancel(self.name, why=why)

    def let_go(self) -> None:
        """Stop driving it here; it can be resumed, here or elsewhere."""
        if self._driving is not None and self._driving.cancel():
            with contextlib.suppress(CancelledError):
                result_of(self._driving)

    def _driven(self) -> "Future[State]":
        if self._driving is None:
            raise BadInput(
                f"run {self.name!r} is not driven here", hint="resume it with store.resume(agent, run)"
            )
        return self._driving

    def _outcome(self, state: State) -> Outcome:
        match state.status:
            case "finished":
                return Finished(self.name, text_of(self._store.blobs, state.answer))
            case "failed" | "cancelled":
                return Failed(self.name, state.status, state.why)
            case "waiting" | "running":
                why, text = state.wait or "person", state.wait_text or "it was told nothing yet"
                return Waiting(self.name, why, text)
