"""Whether the object store is tried at all: one put that stalls must not make each that follows wait.

Invariant: after a failure nobody tries for a while, then one does, and only its success lets all others again.
"""

import threading

from perdure.values.limits import OBJECT_PAUSE_SECONDS


class Breaker:
    """Times are given in seconds of one clock."""

    def __init__(self) -> None:
        """Let everybody try."""
        self._guard = threading.Lock()
        self._pause = 0.0
        self._until: float | None = None
        self._trying = False
        self.trouble: Exception | None = None
        """what the last try failed with, until one has worked"""

    def admits(self, now: float) -> bool:
        """Tell whether the asker may try; after a pause only the first who asks may."""
        with self._guard:
            if self._until is None:
                return True
            if now < self._until:
                return False
            # If this one is never heard of again, the next may try after another pause.
            self._until, self._trying = now + self._pause, True
            return True

    def worked(self) -> None:
        """Everybody may try."""
        with self._guard:
            self._pause, self._until, self._trying, self.trouble = 0.0, None, False, None

    def failed(self, now: float, trouble: Exception) -> None:
        """Nobody tries for a while, longer after each try; those that were under way together count as one."""
        shortest, longest = OBJECT_PAUSE_SECONDS
        with self._guard:
            self.trouble = trouble
            if self._until is not None and not self._trying:
                return
            self._pause = min(max(shortest, 2 * self._pause), longest)
            self._until, self._trying = now + self._pause, False
