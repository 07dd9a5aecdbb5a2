"""Garbage that holds itself, collected while nobody waits.

A gateway with some hundred conversations holds a million objects. Looking through all of them takes a third of a second,
in which every stream stands still; the interpreter does that whenever enough is new, which is when most is going on.
Most of what is garbage goes without: by its count, or young. The rest waits for a quiet moment, for an hour at most.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

_YOUNG: Final = (20_000, 20, 1_000_000)
"""Objects between two looks at the young ones, such looks before the middle-aged, and, practically, never the old."""

_LOOK_SECONDS: Final = 5.0
_QUIET_EVERY_SECONDS: Final = 60.0
_AT_LEAST_EVERY_SECONDS: Final = 3600.0


@contextmanager
def collected_in_quiet() -> Generator[None]:
    """Within this, only young garbage is collected by itself; what has been made so far is never looked at."""
    before = gc.get_threshold()
    gc.freeze()  # without a look: programs that have just loaded hold no garbage, and a look holds up who waits for them
    gc.set_threshold(*_YOUNG)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def collect(busy: Callable[[], bool]) -> None:
    """Collect all garbage now and then, when nothing is ``busy``, until cancelled."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        age = time.monotonic() - last
        if age > _AT_LEAST_EVERY_SECONDS or (age > _QUIET_EVERY_SECONDS and not busy()):
            gc.collect()
            last = time.monotonic()
