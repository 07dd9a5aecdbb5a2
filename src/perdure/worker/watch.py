"""One driving as it is seen from outside: where it is, and whether it got on."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from perdure.log.envelope import Event
from perdure.log.placing import Placed
from perdure.projection.state import State
from perdure.values.digest import Json

PROGRESS: Final = frozenset(
    {
        "model.replied",
        "effect.settled",
        "effect.pending",
        "child.finished",
        "checkpoint.taken",
        "message.received",
        "timer.fired",
        "approval.granted",
        "approval.denied",
        "run.suspended",
        "run.closed",
    }
)
"""Kinds of events after which a run isn't where it was before this try."""

Durable = Callable[[Sequence[Event], State], None]
"""Takes events of a run that are durable, and the state that they led to."""


def unwatched(_events: Sequence[Event], _state: State) -> None:
    """Nobody counts."""


class Watch:
    """Watches one run that is driven, with its children."""

    def __init__(
        self, placed: Placed, *, suspected: bool, progressed: Callable[[str], None], durable: Durable
    ) -> None:
        """Watch the run from where it stands; ``progressed`` is called once where it was ``suspected`` and gets on."""
        self.run: str = placed.run
        self.suspected: bool = suspected
        self._progressed: Callable[[str], None] = progressed
        self._durable: Durable = durable
        self._held: asyncio.Lock | None = None
        self._tenant: str = placed.tenant
        self._position: int = placed.position
        self._epoch: int = placed.epoch

    @property
    def told(self) -> dict[str, Json]:
        """What each line says of it."""
        return {
            "run": self.run,
            "tenant": self._tenant,
            "position": self._position,
            "epoch": self._epoch,
        }

    async def alone(self, lock: asyncio.Lock, seconds: float) -> bool:
        """Wait until no other suspect is driven; False if one still is after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await lock.acquire()
        except TimeoutError:
            return False
        self._held = lock
        return True

    def done(self) -> None:
        """The next suspect may be driven."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def text(self, piece: str) -> None:
        del piece

    def durable(self, events: Sequence[Event], state: State) -> None:
        # Children are driven in the same loop.
        if state.run == self.run:
            self._position, self._epoch = state.position, state.epoch
        self._durable(events, state)

    def event(self, kind: str, position: int, words: str) -> None:
        del position, words
        if self.suspected and kind in PROGRESS:
            self.suspected = False
            self._progressed(self.run)
            self.done()
