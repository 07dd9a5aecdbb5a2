"""How long a request waits for the log, which takes milliseconds, before it goes on without."""

import asyncio
from collections.abc import Awaitable

from perdure.values.limits import LOG_WAIT_AGAIN_SECONDS, LOG_WAIT_SECONDS


class Patience:
    """Shared by all requests of a gateway: who comes after one that waited in vain waits less."""

    def __init__(self) -> None:
        """Wait in full."""
        self.seconds: float = LOG_WAIT_SECONDS

    async def until(self, done: Awaitable[object]) -> None:
        """Return once ``done`` is. Raises what it raises, and ``TimeoutError``; it is cancelled then."""
        try:
            await asyncio.wait_for(done, self.seconds)
        except TimeoutError:
            self.ran_out()
            raise
        self.seconds = LOG_WAIT_SECONDS

    def ran_out(self) -> None:
        """Somebody waited in vain."""
        self.seconds = LOG_WAIT_AGAIN_SECONDS
