"""How what runs in an event loop ends before the loop does."""

import asyncio

from perdure.values.limits import GRACE_SECONDS


async def all_ended() -> None:
    """Return when everything in this loop has ended, leases given back.

    Each deed that is under way has a time of grace; what goes on for much longer is left behind.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=4 * GRACE_SECONDS)
