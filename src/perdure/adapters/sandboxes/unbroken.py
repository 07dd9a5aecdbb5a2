"""Work that is ended even if whoever waits for it is told to stop."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def unbroken(work: Coroutine[object, object, T]) -> T:
    """Return what ``work`` returns; a cancellation waits for its end, and then goes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as stop:
            if task.cancelled():
                raise
            cancelled = stop
        except BaseException:  # noqa: BLE001 - it is raised below, by the task that holds it
            break
    if cancelled is not None:
        task.exception()  # Seen, so that nobody is told of it twice.
        raise cancelled
    return task.result()
