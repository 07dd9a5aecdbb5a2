"""What nobody waits for: blobs ahead of their event, and caches. They go with the next group.

Invariants:
- A blob that was taken in is kept until a commit has it; the event that will name it goes no earlier.
- What gathers is bounded: past one bound it is written without company, past another nothing more is taken.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from perdure.adapters.postgres.content.blobs import Packed
from perdure.adapters.postgres.judging.batch import Asked
from perdure.adapters.postgres.layout import LAZY_BYTES_MAX, LAZY_HARD
from perdure.values.errors import Busy


class Later(NamedTuple):
    """A blob, or statements of a cache; ``done`` is called when it is durable."""

    blob: Packed | None
    asked: Sequence[Asked]
    size: int
    done: Callable[[], None]


class Backlog:
    """Any thread adds to it; the one that writes takes all of it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._waiting: deque[Later] = deque()
        self._bytes: int = 0
        self._pushed: bool = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, later: Later) -> bool:
        """Tell whether so much has gathered that it should be written without waiting for company."""
        if self._bytes > LAZY_HARD * LAZY_BYTES_MAX:
            raise Busy("more waits to be written than may be kept in memory: the server doesn't take it")
        self._waiting.append(later)
        self._bytes += later.size
        if self._bytes <= LAZY_BYTES_MAX or self._pushed:
            return False
        self._pushed = True
        return True

    def take(self) -> list[Later]:
        """Return all that has gathered."""
        self._bytes, self._pushed = 0, False
        taken: list[Later] = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def keep(self, later: Sequence[Later]) -> None:
        """Blobs that could not be written wait for the next group, which may name them; a cache is no loss."""
        kept = [part for part in later if part.blob is not None]
        self._waiting.extendleft(reversed(kept))
        self._bytes += sum(part.size for part in kept)
