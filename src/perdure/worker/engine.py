"""What a worker asks of a task engine."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from perdure.log.placing import Summons


class Again(NamedTuple):
    """The run wants to be looked at again by itself."""

    at_ns: int


Look = Callable[[str], Awaitable[Again | None]]
"""Look at a run, and drive it while there is something to do; say when to look again, if the engine should."""


class Depth(NamedTuple):
    """How much an engine holds that nobody has begun."""

    waiting: int
    oldest_seconds: float


class Engine(Protocol):
    """Says which run is to be looked at. It may say it twice, late or never: a slow sweep covers that."""

    async def prepare(self) -> None:
        """What the engine keeps in the store is there. Raises ``EngineMissing`` with what to do if it can't be."""
        ...

    async def serve(self, look: Look) -> None:
        """Give runs that were asked for to ``look``, until ``stop``; what fails is tried again, slower and slower."""
        ...

    async def ask(self, call: Summons, *, at_ns: int | None = None) -> bool:
        """The run will be looked at, at once or at that time; False if it is going to be already.

        Raises ``Busy`` if the engine can't be reached.
        """
        ...

    async def depth(self) -> Depth:
        """Return how much waits."""
        ...

    def stop(self) -> None:
        """No more runs are begun; those under way are the caller's."""
        ...

    async def close(self) -> None:
        """Connections are given back."""
        ...
