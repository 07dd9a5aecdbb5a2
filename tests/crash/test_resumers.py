"""Many resume one dead run at once: one of them has it, and the world sees one firing."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import Raw, json

from perdure import Agent, ask_person
from perdure.adapters.memory import MemoryStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.agents.family import Going
from perdure.assembly.agents.versions import pinned
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.assembly.inspect import Inspector
from perdure.driver.books import Books, read_state
from perdure.log.events import MessageReceived
from perdure.log.port import Holder, Lease, NewRun, Post
from perdure.orchestrator.draft import content_of
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.disks import MakeDisk, MemoryDisk, SqliteDisk
from perdure.testing.kit import order_of
from perdure.values.errors import Held, OtherVersion, RunExists
from tests.crash.resumers import PLACES, RESUMERS, Place, race


@pytest.mark.parametrize("make_disk", [MemoryDisk, SqliteDisk])
@pytest.mark.parametrize("case", ["probeable", "idempotent", "transactional"])
@pytest.mark.parametrize("place", PLACES)
def test_eight_resumers_fire_once(make_disk: MakeDisk, place: Place, case: str):
    found = race(make_disk, place, case)
    assert found.firings == 1
    assert found.status == "finished"


@pytest.mark.parametrize("make_disk", [MemoryDisk, SqliteDisk])
def test_eight_resumers_do_not_repeat_what_nobody_can_vouch_for(make_disk: MakeDisk):
    assert race(make_disk, "promised", "once").firings == 0
    assert race(make_disk, "done", "once").firings == 1
    assert race(make_disk, "asked", "once").firings == 1


def resumed_by_eight(store: Books, world: World) -> list[BaseException | None]:
    """Let eight houses start, or resume, one run in real time; return what they raised."""
    names = itertools.count()
    script = [call("order", act="o1"), say("ordered")]

    async def one() -> None:
        model = ScriptedModel(script)
        agent = Agent(name="clerk", instructions="i", tools=[order_of(world)], model=model)
        house = House(store, SystemClock(), name=lambda: f"{id(world)}-{next(names)}")
        await house.start(agent, "Go.", run="run")

    async def race_them() -> list[BaseException | None]:
        return await asyncio.gather(*(one() for _ in range(RESUMERS)), return_exceptions=True)

    return asyncio.run(race_them())


class Overtaken(MemoryStore):
    """Before it grants the first lease, somebody else begins the run and drives it until it rests."""

    def __init__(self, other: Agent) -> None:
        super().__init__()
        self.other: Agent | None = other

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        other, self.other = self.other, None
        if other is not None:
            going = House(self, SystemClock()).take_up(other, run, Going(pins=True))
            with ThreadPoolExecutor() as thread:
                thread.submit(asyncio.run, going).result()
        return super().acquire(run, holder, take_over=take_over)


def version(number: str) -> Agent:
    model = ScriptedModel([call("ask_person", question="how many?"), say("done")])
    return Agent(name="clerk", instructions="i", tools=[ask_person], model=model, version=number)


def submitted(store: Books) -> None:
    """Make the run, and tell it what to do; nobody has begun it."""
    store.create(NewRun("run", "run", "default", 1))
    said = MessageReceived("start", "user", content_of("Go.")[0])
    store.post("run", Post("start", "message.received", Raw(json.encode(said)), 1))


def test_who_is_overtaken_between_its_look_and_its_lease_does_not_begin_the_run_again():
    store = Overtaken(version("1"))
    submitted(store)
    with pytest.raises(OtherVersion):
        asyncio.run(House(store, SystemClock()).take_up(version("2"), "run", Going(pins=True)))
    assert pinned(store, "run") == "1"
    kinds = [event.kind for event in Inspector(store).events("run")]
    assert kinds.count("run.opened") == kinds.count("message.received") == 1


def test_who_is_overtaken_with_a_message_of_its_own_hears_that_there_is_a_run_already():
    store = Overtaken(version("1"))
    submitted(store)
    with pytest.raises(RunExists):
        asyncio.run(House(store, SystemClock()).start(version("1"), "Something else.", run="run"))
    assert read_state(store, "run").state.status == "waiting"


def test_eight_who_start_the_same_run_in_real_time_fire_once(tmp_path: Path):
    disk = SqliteStore(tmp_path)
    for store in (MemoryStore(), disk):
        with World() as world:
            raised = resumed_by_eight(store, world)
            assert world.counts() == {"o1": 1}
            assert raised.count(None) >= 1
            assert all(
                error is None or isinstance(error, Held | FileExistsError) or "already" in str(error)
                for error in raised
            )
    disk.close()
