"""Waiting for a change on any of several shards.

Invariants: a mark is the sum of the shards' marks, which only grow; one shard that is away delays nobody.
"""

import threading
import time
from contextlib import suppress
from typing import Final

from perdure.adapters.shards.reaching import Shards
from perdure.values.errors import PerdureError
from perdure.values.limits import SHARD_RETRY_SECONDS

_LOOK_SECONDS: Final = 0.25
"""How long a thread waits for one shard before it sees whether it should end."""


class Marks:
    """What is known of the shards' marks."""

    def __init__(self, shards: Shards) -> None:
        """Wait for nothing yet."""
        self._shards: Shards = shards
        self._changed: threading.Condition = threading.Condition()
        self._marks: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self._over: threading.Event = threading.Event()

    def close(self) -> None:
        """Whoever waits stops."""
        self._over.set()
        with self._changed:
            self._changed.notify_all()
        for each in self._threads:
            each.join(2 * _LOOK_SECONDS)

    def wait(self, after: int, timeout: float) -> int:
        """Return the mark once it is past ``after``, or ``after`` when ``timeout`` seconds have passed."""
        # Where threads follow, nobody has to wait here for a shard that is away.
        if (timeout <= 0 or not self._threads) and (self._looked() > after or timeout <= 0):
            return max(after, self._sum())
        self._follow()
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._sum() <= after and not self._over.is_set():
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return max(self._sum(), after)

    def _looked(self) -> int:
        for name in self._shards.names:
            with suppress(PerdureError):
                self._heard(name, self._shards.asked(name, lambda shard: shard.books.watch(-1, 0)))
        return self._sum()

    def _heard(self, name: str, mark: int) -> None:
        with self._changed:
            if mark > self._marks.get(name, -1):
                self._marks[name] = mark
                self._changed.notify_all()

    def _sum(self) -> int:
        return sum(tuple(self._marks.values()))

    def _follow(self) -> None:
        with self._changed:
            if self._threads or self._over.is_set():
                return
            for name in self._shards.names:
                thread = threading.Thread(target=self._following, args=(name,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _following(self, name: str) -> None:
        while not self._over.is_set():
            try:
                shard = self._shards.reach(name)
                self._heard(name, shard.books.watch(self._marks.get(name, -1), _LOOK_SECONDS))
            except PerdureError:
                self._over.wait(SHARD_RETRY_SECONDS)
