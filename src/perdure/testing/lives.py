"""One history: a program that is started, killed where it is told to be, and begun again until it rests.

Each life begins with nothing but the store. What a life leaves behind when it is killed neither runs
nor writes any more. Between lives an operator who knows the world answers what only a person can.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.holders import Fate, Proof
from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.ports import Ports, place_of, ports_of
from perdure.assembly.files.site import Site, scratch_of
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import Books, read_state
from perdure.log.port import Holder
from perdure.projection.state import State
from perdure.testing.disks import Disk, MakeDisk, MemoryDisk
from perdure.testing.moments import Course, Killed, Life, living
from perdure.testing.mortal import MortalClock, MortalModel, MortalStore, MortalTools, MortalWorkspace
from perdure.testing.operator import Operator
from perdure.testing.simclock import Halted, SimClock, Stuck
from perdure.testing.witness import Witness
from perdure.testing.world import Counted
from perdure.values.errors import PerdureError

LIVES_MAX: Final = 40
"""Lives of one history: more than any plan of deaths and questions to a person asks for."""

HOURS_MAX: Final = 24 * 10
"""Simulated hours of one history: past the longest bound that tools or approvals have by default."""

Script = Callable[[House, Agent], Coroutine[object, object, object]]
"""What a life does; the default starts the run, or resumes it if it is there."""


class Ending(NamedTuple):
    """How a history stands when nobody does anything any more."""

    course: Course
    world: Counted
    witness: Witness
    store: Books
    operator: Operator
    fault: str
    """an error that ended it, or a rest that is none; empty if it rests as it should"""

    def state(self, run: str) -> State:
        """Return the run's state."""
        return read_state(self.store, run).state

    @property
    def counts(self) -> dict[str, int]:
        """How often each act was done in the world."""
        return dict(self.world.counts())


class History:
    """A program's lives over one world and one store."""

    def __init__(
        self,
        make_agent: Callable[[], Agent],
        world: Counted,
        *,
        kills: Collection[int] = (),
        make_disk: MakeDisk = MemoryDisk,
        clock: SimClock | None = None,
    ) -> None:
        """Begin with an empty store; die at ``kills``."""
        self.course: Course = Course(clock or SimClock(), kills)
        self.world: Counted = world
        self.disk: Disk = make_disk(self._proof())
        self.store: Books = self.disk.open()
        self.witness: Witness = Witness(self.store)
        self.make_agent: Callable[[], Agent] = make_agent
        self._lives: list[Life] = []
        self._posts: int = 0
        self.operator: Operator = Operator(self.people, self.store, world)

    @property
    def people(self) -> People:
        """What people can do to the runs, through the store as it is open now."""
        return People(self.store, self.course.clock.now, self._minted)

    def _minted(self) -> str:
        self._posts += 1
        return f"post-{self._posts}"

    def live(self, work: Script) -> bool:
        """Live one life that does ``work``; tell whether it ended by itself. Raises what ``work`` raises."""
        life = Life(self.course)
        self._lives.append(life)
        self.course.note(f"life {life.number} begins")
        set_before = living.set(life)
        try:
            life.loop.complete(self._within(life, work))
        except (Halted, Killed):
            self.disk.crash()
            self.store = self.witness.store = self.disk.open()
            self.operator.look_again(self.people, self.store)
            self.witness.died()
            return False
        finally:
            living.reset(set_before)
            if life.alive:
                life.end()
        return True

    async def _within(self, life: Life, work: Script) -> None:
        agent = self.make_agent()
        async with asyncio.timeout(HOURS_MAX * 3600):
            await work(self.house_in(life), agent)

    def house_in(self, life: Life) -> House:
        """Return a house of this life; several are like several programs that live and die together."""
        return House(
            MortalStore(self.store, life, self.witness),
            MortalClock(self.course.clock, life),
            # Histories of several processes have runs of the same names, and share nothing.
            scratch=scratch_of(Path(f"histories-{os.getpid()}")),
            make_ports=lambda agent, _, site: self._ports(agent, site, life),
            open_place=lambda site, _, law: MortalWorkspace(place_of(site, self.store, law), life),
            name=life.token,
        )

    def _ports(self, agent: Agent, site: Site | None, life: Life) -> Ports:
        # How often a workspace asks the store hangs on real clocks, so no history may hang on that: deaths in the
        # middle of a recording or a restore are enumerated by tests of their own.
        real = ports_of(agent, self.store, site)

        def threaded(tool: str) -> bool:
            known = agent.tools.get(tool)
            if known is None:
                return False
            beside = (known.probe, known.undo, known.check, known.poll)
            plain = not known.is_async or any(each is not None and not each.is_async for each in beside)
            return plain or known.database is not None

        return Ports(
            MortalTools(real.tools, life, self.witness, threaded),
            MortalModel(real.model, life, self.witness),
            MortalWorkspace(real.workspace, life) if real.workspace is not None else None,
        )

    def _proof(self) -> Proof:
        def fate(holder: Holder) -> Fate:
            return Fate.DEAD if self.course.is_dead(holder.token) else Fate.ALIVE

        return fate

    def ending(self, fault: str = "") -> Ending:
        """Return how it stands now."""
        return Ending(self.course, self.world, self.witness, self.store, self.operator, fault)

    def discard(self) -> None:
        """End what dead lives have left over, and let store and world go."""
        for life in self._lives:
            life.alive = False
            life.loop.discard()
        self.disk.discard()
        close = getattr(self.world, "close", None)
        if callable(close):
            close()


Act = Callable[[People, State], object]
"""What a person does with a run that rests: undo, rewind, say something more"""


def run_until_rest(history: History, message: str, *, run: str = "run", then: Sequence[Act] = ()) -> Ending:
    """Live until the run rests and nobody has anything left to say; ``then`` is done at each such rest."""
    acts = list(then)

    async def go_on(house: House, agent: Agent) -> None:
        rows = history.store.rows(run)
        if rows and rows[0].position:
            await house.resume(agent, run)
        else:
            await house.start(agent, message, run=run)

    for _ in range(LIVES_MAX):
        try:
            ended = history.live(go_on)
        except (PerdureError, Stuck, TimeoutError) as error:
            return history.ending(f"{type(error).__name__}: {error}")
        if not ended:
            continue
        if history.operator.answers():
            continue
        state = read_state(history.store, run).state
        if not acts:
            return history.ending(restless(state))
        acts.pop(0)(history.people, state)
    return history.ending(f"it doesn't rest within {LIVES_MAX} lives")


def restless(state: State) -> str:
    """Return what is wrong with a rest in this state."""
    if state.closed or (state.status == "waiting" and state.needs_person):
        return ""
    return f"nothing goes on, and the run is {state.status} {state.wait}".rstrip()
