"""Discrete events: a line of what happens next, places where work waits its turn, and a disk that many wait for at once.

Of its own, and not simpy: this is all of it that is needed, it is checked against closed forms, and generators would make a
fleet of a thousand workers ten times as slow.

Invariants:
- Nothing happens before what is due earlier; what is due at the same moment happens in the order in which it was asked.
- Work that was asked of a station is done once, after all that came before it has begun.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable

Then = Callable[[], None]


class Line:
    """What happens next, and when."""

    def __init__(self, seed: int) -> None:
        """Begin at 0; all chance of a simulation comes from ``seed``."""
        self.now: float = 0.0
        self.chance: random.Random = random.Random(seed)
        self._due: list[tuple[float, int, Then]] = []
        self._asked: int = 0

    def after(self, seconds: float, then: Then) -> None:
        """``then`` happens in so many seconds."""
        self._asked += 1
        heapq.heappush(self._due, (self.now + seconds, self._asked, then))

    def run(self, until: float) -> None:
        """All happens that is due before ``until``."""
        while self._due and self._due[0][0] <= until:
            self.now, _, then = heapq.heappop(self._due)
            then()
        self.now = until


class Desk:
    """Some servers with one queue before them: cores of a machine."""

    def __init__(self, line: Line, servers: float) -> None:
        """Serve ``servers`` at a time."""
        self._line: Line = line
        self._free: float = servers
        self._queue: deque[tuple[float, float, Then]] = deque()
        self._held_until: float = 0.0
        self.busy_seconds: float = 0.0
        self.served: int = 0
        self.waited_seconds: float = 0.0

    def ask(self, seconds: float, then: Then) -> None:
        """``then`` happens after work of so many seconds, begun when one is free."""
        self._queue.append((self._line.now, seconds, then))
        self._begin()

    def hold(self, seconds: float) -> None:
        """Nothing is begun for so long: the machine is away."""
        self._held_until = max(self._held_until, self._line.now + seconds)
        self._line.after(seconds, self._begin)

    def _begin(self) -> None:
        while self._queue and self._free >= 1 and self._line.now >= self._held_until:
            asked, seconds, then = self._queue.popleft()
            self._free -= 1
            self.waited_seconds += self._line.now - asked
            self.busy_seconds += seconds
            self.served += 1
            self._line.after(seconds, lambda then=then: self._end(then))

    def _end(self, then: Then) -> None:
        self._free += 1
        then()
        self._begin()


class Disk:
    """A log that is synced: one sync makes all durable that was written before it began."""

    def __init__(self, line: Line, seconds: float) -> None:
        """A sync takes ``seconds``."""
        self._line: Line = line
        self._seconds: float = seconds
        self._waiting: list[Then] = []
        self._syncs: bool = False
        self.syncs: int = 0

    def ask(self, then: Then) -> None:
        """``then`` happens when what was written until now is durable."""
        self._waiting.append(then)
        if not self._syncs:
            self._sync()

    def _sync(self) -> None:
        taken, self._waiting = self._waiting, []
        self._syncs = True
        self.syncs += 1
        self._line.after(self._seconds, lambda: self._synced(taken))

    def _synced(self, taken: list[Then]) -> None:
        self._syncs = False
        for then in taken:
            then()
        if self._waiting and not self._syncs:
            self._sync()
