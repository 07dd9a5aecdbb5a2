"""One dead run, and eight who resume it at the same time."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from perdure import Agent
from perdure.assembly.house import House
from perdure.testing.disks import MakeDisk
from perdure.testing.lives import History
from perdure.testing.moments import Moment, living
from perdure.values.errors import Held
from tests.crash.cases import CASES

RESUMERS: Final = 8

Place = Literal["asked", "promised", "done"]
"""Where the first program died: while the model was asked, before the deed, or after it."""

PLACES: Final[Sequence[Place]] = ("asked", "promised", "done")


class Race(NamedTuple):
    """What became of it."""

    firings: int
    held: int
    """resumers that were told that another one has the run"""
    status: str


def strikes(place: Place, here: Moment) -> bool:
    """Tell whether the first program dies here."""
    match place:
        case "asked":
            return here.port == "model.ask" and here.when == "before"
        case "promised":
            return here.port == "tools.perform" and here.when == "before"
        case "done":
            return here.port == "world" and here.when == "inside"


def race(make_disk: MakeDisk, place: Place, case: str = "probeable", resumers: int = RESUMERS) -> Race:
    """Let a program die in this place, and let many resume its run at once, in simulated time."""
    chosen = CASES[case]
    world = chosen.world()
    history = History(lambda: chosen.agent(world), world, make_disk=make_disk)
    history.course.dooms.append(lambda here: strikes(place, here))
    held: list[Held] = []

    async def resume(house: House, agent: Agent) -> None:
        try:
            await house.resume(agent, "run")
        except Held as refused:
            held.append(refused)

    async def all_at_once(house: House, agent: Agent) -> None:
        life = living.get()
        assert life is not None
        houses = [house, *(history.house_in(life) for _ in range(resumers - 1))]
        await asyncio.gather(*(resume(each, history.make_agent()) for each in houses))

    try:
        history.live(lambda house, agent: house.start(agent, "Go.", run="run"))
        history.live(all_at_once)
        state = history.ending().state("run")
        return Race(sum(world.counts().values()), len(held), state.status)
    finally:
        history.discard()
