"""A run is driven by workers that have the version of its agent which it is pinned to.

Invariant: nobody adopts another version in passing. Where a living worker has the right one, that one is asked; where none
has, the run waits, and says for which.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from perdure.assembly.agents.agent import Agent
from perdure.log.placing import Placed, ProcessSeen, Summons
from perdure.worker.engine import Engine
from perdure.worker.gates import Elsewhere


def queue_for(agent: str, version: str) -> str:
    """Return the name under which workers with this version of the agent are asked."""
    return f"{agent}@{version}"


class VersionGate:
    """Keeps runs from workers that have another version of their agent."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        engine: Engine,
        *,
        pinned: Callable[[str], str | None],
        living: Callable[[], Sequence[ProcessSeen]],
    ) -> None:
        """Judge for ``agents``; ``pinned`` says a run's version, ``living`` which processes there are. Both may block."""
        self._agents: Mapping[str, Agent] = agents
        self._engine: Engine = engine
        self._pinned: Callable[[str], str | None] = pinned
        self._living: Callable[[], Sequence[ProcessSeen]] = living

    async def __call__(self, placed: Placed) -> str | Elsewhere | None:
        """Return why this process may not drive the run."""
        agent = self._agents.get(placed.agent)
        if agent is None:
            return f"no agent {placed.agent} here"
        version = await asyncio.to_thread(self._pinned, placed.run)
        if version is None or version == agent.version:
            return None
        living = await asyncio.to_thread(self._living)
        known = {each.agents.get(placed.agent) for each in living if not each.lapsed and not each.draining}
        if version in known:
            await self._engine.ask(Summons(placed.run, queue_for(placed.agent, version)))
            return Elsewhere()
        have = ", ".join(sorted(each for each in known if each)) or "none"
        return f"needs agent {placed.agent} version {version}; workers have {have}"
