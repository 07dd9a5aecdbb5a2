"""A tenant's runs have as many places as it is allowed, over all workers.

Invariant: a run without a place holds up nobody: it is put off, and comes to the front again when one is free.
"""

import asyncio
from contextlib import suppress

from perdure.driver.port import Clock
from perdure.log.placing import Placed
from perdure.log.tenants import Tenants
from perdure.values.errors import PerdureError
from perdure.values.limits import TENANT_RECALL_SECONDS


class TenantGate:
    """Keeps runs from workers while their tenant has no place free."""

    def __init__(self, tenants: Tenants, clock: Clock) -> None:
        """Judge by ``tenants``, which may block; it is as late as ``clock`` says."""
        self._tenants: Tenants = tenants
        self._clock: Clock = clock

    async def __call__(self, placed: Placed) -> str | None:
        """Return why this process may not drive the run; else the run has a place from here on."""
        full = await asyncio.to_thread(self._tenants.take, placed.run)
        if full is None:
            return None
        return f"tenant {full.tenant} has {full.driving} runs under way, and may have {full.concurrency}"

    async def tend(self) -> None:
        """Runs that wait for a place which came free are looked at again, until cancelled."""
        while True:
            with suppress(PerdureError):
                await asyncio.to_thread(lambda: self._tenants.recall(self._clock.now()))
            await asyncio.sleep(TENANT_RECALL_SECONDS)
