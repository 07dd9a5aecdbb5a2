"""Many resume one dead run at once: one of them has it, and the world sees one firing."""

import asyncio
import itertools
from pathlib import Path

import pytest

from perdure import Agent
from perdure.adapters.memory import MemoryStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.driver.books import Books
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.disks import MakeDisk, MemoryDisk, SqliteDisk
from perdure.testing.kit import order_of
from perdure.values.errors import Held
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
