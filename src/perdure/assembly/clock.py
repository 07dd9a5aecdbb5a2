"""The machine's clock, and the name of this process as a writer."""

import asyncio
import time


class SystemClock:
    """Time as the machine tells it."""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    async def until(self, due: int) -> None:
        """Return when ``now()`` is at least ``due``; looks again at least once a minute.

        A clock that is set back or a machine that sleeps then delays no alarm for long.
        """
        while (rest := due - self.now()) > 0:  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(min(rest / 1e9, 60.0))
