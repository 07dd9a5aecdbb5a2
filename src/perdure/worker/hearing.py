"""Hears which runs are called, from whoever posts: a notice per call, and the sweep for those that are lost."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg

from perdure.values.limits import ENGINE_PAUSE_SECONDS_MAX

CHANNEL = "perdure_calls"
"""As the placements of the store name it."""

HEARS = True
"""Switched off by builds that are broken on purpose."""

Called = Callable[[str, str], Awaitable[None]]
"""Takes the run and the agent that a notice names."""


async def hear(dsn: str, called: Called, again: Callable[[], None]) -> None:
    """Pass on every notice until cancelled; after each connecting, ``again`` makes good for what was missed."""
    if not HEARS:
        await asyncio.Event().wait()
    while True:
        try:
            db = await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, application_name="perdure worker calls", keepalives_idle=10
            )
            async with db:
                await db.execute(f"LISTEN {CHANNEL}".encode())
                again()
                async for notice in db.notifies():
                    run, _, agent = notice.payload.partition(" ")
                    await called(run, agent)
        except (psycopg.Error, OSError):
            pass
        await asyncio.sleep(ENGINE_PAUSE_SECONDS_MAX)
