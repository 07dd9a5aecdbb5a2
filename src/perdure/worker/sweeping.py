"""Asks the engine for runs that nobody asked for: what was posted, came due, or lost its process in between.

Invariants:
- Whoever calls a run leaves a mark in the store first: a notice that is lost costs the time of one sweep.
- A fleet sweeps about once a second as a whole, however many workers it has.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from hashlib import sha256
from typing import TypeVar

from perdure.assembly.stores.fleet import Base
from perdure.driver.port import Clock
from perdure.log.placing import Summons
from perdure.values.errors import PerdureError
from perdure.values.limits import WORKER_ASKED_SECONDS, WORKER_SWEEP_RUNS_MAX, WORKER_SWEEP_SECONDS
from perdure.worker.engine import Engine
from perdure.worker.telling import Tell

T = TypeVar("T")

SWEEPS = True
"""Switched off by builds that are broken on purpose."""


class Sweep:
    """One database's runs that want to be looked at."""

    def __init__(
        self,
        base: Base,
        engine: Engine,
        agents: Sequence[str],
        *,
        name: str,
        renew: Callable[[str], bool],
        threads: Executor,
        tell: Tell,
        clock: Clock,
    ) -> None:
        """Ask ``engine`` for runs of ``agents`` that are called in ``base``; ``name`` is this process.

        ``renew`` takes up anew what is driven here already, and tells whether it was.
        """
        self._renew: Callable[[str], bool] = renew
        self._base: Base = base
        self._engine: Engine = engine
        self._agents: tuple[str, ...] = tuple(agents)
        self._name: str = name
        self._threads: Executor = threads
        self._tell: Tell = tell
        self._clock: Clock = clock
        self._asked: dict[Summons, float] = {}
        self._hurry: asyncio.Event = asyncio.Event()
        self._living: tuple[str, ...] = (name,)

    def hurry(self) -> None:
        """Sweep now: something was found that may concern many runs."""
        self._asked.clear()
        self._hurry.set()

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            if SWEEPS:
                try:
                    await self.once()
                except PerdureError as error:
                    self._tell("sweep.failed", base=self._base.name, code=error.code, why=str(error))
            pause = WORKER_SWEEP_SECONDS * len(self._living) * (0.5 + random.random())  # noqa: S311 - keeps workers apart
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()

    async def once(self) -> int:
        """Ask for all that is called now; return for how many runs."""
        now = self._clock.now()
        processes = await self._ask(self._base.registry.processes)
        self._living = tuple(each.name for each in processes if not each.lapsed) or (self._name,)
        calls = await self._ask(
            lambda: self._base.placements.called(self._agents, now, WORKER_SWEEP_RUNS_MAX, self._name)
        )
        at = asyncio.get_running_loop().time()
        self._asked = {call: when for call, when in self._asked.items() if at - when < WORKER_ASKED_SECONDS}
        fresh = [call for call in calls if call not in self._asked]
        for call in fresh:
            if not self._renew(call.run):
                await self._engine.ask(call)
            self._asked[call] = at
        return len(fresh)

    async def called(self, run: str, agent: str) -> None:
        """A notice says that ``run`` is called. One of the living asks for it: the same for whoever hears it."""
        if agent in self._agents and self._chosen(run) == self._name:
            with suppress(PerdureError):
                await self._engine.ask(Summons(run, agent))

    def _chosen(self, run: str) -> str:
        return max(self._living, key=lambda name: sha256(f"{name} {run}".encode()).digest())

    async def _ask(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
