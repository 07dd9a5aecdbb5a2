"""A sender that is frozen right before its request may still send: nobody does the deed again beside it."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from perdure import Agent, Context, Found, Never, tool
from perdure.adapters.holders import Fate
from perdure.adapters.memory import MemoryStore
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import read_state
from perdure.log.port import Holder
from perdure.projection.state import State
from perdure.testing import ScriptedModel, SimClock, World, call, say
from perdure.values.errors import Fenced, Held


class Street:
    """Two programs on one store: the first is frozen inside its tool, the second takes its run over."""

    def __init__(self, make: "Callable[[Street], AnyTool]") -> None:
        self.world: World = World()
        self.clock: SimClock = SimClock()
        self.store: MemoryStore = MemoryStore(proof=self.fate)
        self.dead: set[str] = set()
        self.frozen: asyncio.Event = asyncio.Event()
        self.thaw: asyncio.Event = asyncio.Event()
        self.make: Callable[[Street], AnyTool] = make
        posts = iter(range(99))
        self.people: People = People(self.store, self.clock.now, lambda: f"post-{next(posts)}")

    def fate(self, holder: Holder) -> Fate:
        """Every program lives, until the test says otherwise."""
        return Fate.DEAD if holder.token in self.dead else Fate.ALIVE

    async def freeze(self, send: int) -> None:
        """Stop the first sender here, until it is thawed."""
        if send == 1 and not self.frozen.is_set():
            self.frozen.set()
            await self.thaw.wait()

    def house(self, name: str) -> House:
        """Return a program of this name."""
        return House(self.store, self.clock, name=lambda: name)

    def agent(self) -> Agent:
        script = [call("pay", act="p1"), say("paid")]
        return Agent(name="clerk", instructions="i", tools=[self.make(self)], model=ScriptedModel(script))

    @property
    def state(self) -> State:
        return read_state(self.store, "run").state


@contextmanager
def street(make: Callable[[Street], AnyTool]) -> Generator[Street]:
    """Return a street, and clean it up."""
    found = Street(make)
    with found.world:
        yield found


def probed(street: Street, *, barring: bool = False) -> AnyTool:
    """Return a tool whose sender freezes, with a probe."""

    async def find(ctx: Context) -> Found | Never:
        return street.world.bar(ctx.key, ctx.send) if barring else street.world.find(ctx.key)

    @tool(effect="probeable", probe=find, visible_within=1, identity=("act",), timeout=10_000)
    async def pay(ctx: Context, act: str) -> str:
        await street.freeze(ctx.send)
        street.world.admit(ctx.key, ctx.send)
        street.world.apply(act, key=ctx.key)
        return "paid"

    return pay


def unprobed(street: Street) -> AnyTool:
    """Return a tool whose sender freezes and that nothing can be known of."""

    @tool(effect="once", timeout=10_000)
    async def pay(ctx: Context, act: str) -> str:
        await street.freeze(ctx.send)
        street.world.apply(act, key=ctx.key)
        return "paid"

    return pay


@pytest.mark.parametrize("make", [probed, unprobed])
def test_the_successor_keeps_the_key_in_doubt_and_the_frozen_one_is_fenced(make: Callable[[Street], AnyTool]):
    with street(make) as here:

        async def story() -> None:
            first = asyncio.ensure_future(here.house("first").start(here.agent(), "Go.", run="run"))
            await here.frozen.wait()
            with pytest.raises(Held):
                await here.house("second").resume(here.agent(), "run")
            state = await here.house("second").resume(here.agent(), "run", take_over=True)
            assert state.wait == "doubt"
            assert here.world.counts() == {}
            here.thaw.set()
            with pytest.raises(Fenced):
                await first
            assert here.world.counts() == {"p1": 1}
            state = await here.house("third").resume(here.agent(), "run")
            assert here.world.counts() == {"p1": 1}
            assert state.status == "finished" if make is probed else state.wait == "doubt"

        here.clock.run(story())
        (effect,) = [*here.state.world.receipts.values(), *here.state.world.open.values()]
        assert effect.send == 1


def test_a_sender_that_is_proved_dead_while_it_is_in_doubt_ends_the_doubt():
    with street(probed) as here:

        async def story() -> None:
            first = asyncio.ensure_future(here.house("first").start(here.agent(), "Go.", run="run"))
            await here.frozen.wait()
            state = await here.house("second").resume(here.agent(), "run", take_over=True)
            assert state.wait == "doubt"
            first.cancel()
            await asyncio.wait([first])
            here.dead.add("first")
            state = await here.house("third").resume(here.agent(), "run")
            assert state.status == "finished"

        here.clock.run(story())
        assert here.world.counts() == {"p1": 1}


def test_a_probe_that_bars_the_key_lets_the_successor_send_and_the_frozen_one_fail():
    with street(lambda here: probed(here, barring=True)) as here:

        async def story() -> None:
            first = asyncio.ensure_future(here.house("first").start(here.agent(), "Go.", run="run"))
            await here.frozen.wait()
            state = await here.house("second").resume(here.agent(), "run", take_over=True)
            assert state.status == "finished"
            assert here.world.counts() == {"p1": 1}
            here.thaw.set()
            with pytest.raises(Fenced):
                await first

        here.clock.run(story())
        assert here.world.counts() == {"p1": 1}
