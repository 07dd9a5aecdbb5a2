"""A build whose snapshots hold up every reply by a quarter of a second: found on ``PYTHONPATH``, it slows a keeper.

It is the broken build beside the measure of what wrapping costs, which has to see it.
"""

import sys

HELD_SECONDS = 0.25

if "perdure.wrap.keeper" in " ".join(sys.orig_argv):
    import asyncio

    from perdure.assembly.foreign.sessions import Session

    recorded = Session.recorded

    async def recorded_late(self: Session, seconds: float) -> bool:
        """Wait, whatever there is to wait for."""
        await asyncio.sleep(HELD_SECONDS)
        return await recorded(self, seconds)

    Session.recorded = recorded_late
