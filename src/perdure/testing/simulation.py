"""Seeded bad weather: from one seed come deaths, failures, lost answers, clock jumps and people who meddle.

Each seed first draws which faults live at all, so that some seeds are all deaths and others all people.
The same seed plays the same history, byte for byte; a trace shows it moment by moment.

    simulate(make_agent, "Pay the invoices", make_world=World, seeds=range(200)).check()
"""

import asyncio
import random
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

from perdure.adapters.models.port import ModelAdapter
from perdure.assembly.agents.agent import Agent
from perdure.assembly.house import House
from perdure.driver.books import read_state
from perdure.intention.reply import Reply
from perdure.testing.disks import MakeDisk, MemoryDisk
from perdure.testing.lives import LIVES_MAX, Ending, History, restless
from perdure.testing.moments import Moment
from perdure.testing.oracle import Judged, judged
from perdure.testing.simclock import Stuck
from perdure.testing.world import Counted, CountingWorld, Fault
from perdure.values.errors import PerdureError
from perdure.wire.prompt import ModelFailure, Prompt

W = TypeVar("W", bound=Counted)

STORMY_LIVES: Final = 8
"""Lives in bad weather; after these the sun comes out, so that everything can come to rest."""

FAULTS: Final[tuple[Fault, ...]] = ("refuse", "break", "lose", "hang", "stall")
FORKS_MAX: Final = 2
JUMP_SECONDS: Final = 7200
MEDDLING_SECONDS: Final = 8.0


class Weather(NamedTuple):
    """How likely each fault is: at a moment, a request, a question, a life."""

    deaths: float
    tools: float
    model: float
    clock: float
    people: float


class Played(NamedTuple):
    """One seed: what is to be said of it, and the whole of it as text if something is wrong."""

    seed: int
    weather: Weather
    judged: Judged
    trace: str


class Season(NamedTuple):
    """What became of all seeds."""

    seeds: int
    deaths: int
    stops: int
    bad: tuple[Played, ...]

    def check(self) -> None:
        """Raise ``AssertionError`` with the first bad seed unless all is well."""
        if self.bad:
            first = self.bad[0]
            seeds = ", ".join(str(each.seed) for each in self.bad)
            wrong = "\n".join(first.judged.lines())
            raise AssertionError(
                f"bad seeds: {seeds}\nseed {first.seed}, {first.weather}\n{wrong}\n\n{first.trace}"
            )


def drawn(chance: random.Random) -> Weather:
    """Return which faults live under this seed, and how strongly."""

    def maybe(*strengths: float) -> float:
        return chance.choice(strengths) if chance.random() < 0.6 else 0.0

    return Weather(
        maybe(0.005, 0.02, 0.05), maybe(0.1, 0.3, 0.6), maybe(0.1, 0.4), maybe(0.2, 0.5), maybe(0.3, 0.8)
    )


def simulate(
    make_agent: Callable[[W], Agent],
    message: str,
    *,
    make_world: Callable[[], W],
    seeds: Iterable[int],
    make_disk: MakeDisk = MemoryDisk,
) -> Season:
    """Play each seed, judge it, and return what became of all."""
    count, deaths, stops, bad = 0, 0, 0, list[Played]()
    for seed in seeds:
        world = make_world()
        storm = _Storm(seed, make_agent, world, make_disk)
        with storm.played(message) as ending:
            verdict = judged(ending, None)
            count, deaths, stops = count + 1, deaths + len(ending.course.deaths), stops + verdict.stops
            if not verdict.ok:
                bad.append(Played(seed, storm.weather, verdict, ending.course.trace()))
    return Season(count, deaths, stops, tuple(bad))


def trace_of(
    make_agent: Callable[[W], Agent],
    message: str,
    *,
    make_world: Callable[[], W],
    seed: int,
    make_disk: MakeDisk = MemoryDisk,
) -> str:
    """Return the history of one seed, moment by moment."""
    storm = _Storm(seed, make_agent, make_world(), make_disk)
    with storm.played(message) as ending:
        return f"seed {seed}, {storm.weather}\n{ending.course.trace()}"


class _Moody:
    """A model that fails, or takes its time, when the weather is bad."""

    def __init__(self, model: ModelAdapter, chance: random.Random, how: float) -> None:
        self._model: ModelAdapter = model
        self._chance: random.Random = chance
        self._how: float = how

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Answer late, or not at all."""
        if self._chance.random() < self._how:
            await asyncio.sleep(self._chance.uniform(0, 5))
        if self._chance.random() < self._how:
            raise ModelFailure("the line is bad", retryable=True)
        return await self._model.ask(prompt, key=key, on_text=on_text, timeout=timeout)

    async def close(self) -> None:
        """Let go of the model."""
        await self._model.close()


class _Storm:
    """One seed's history."""

    def __init__(self, seed: int, make_agent: Callable[[W], Agent], world: W, make_disk: MakeDisk) -> None:
        self.chance: random.Random = random.Random(seed)  # noqa: S311 - the seed is the point
        self.weather: Weather = drawn(self.chance)
        self.calm: bool = False

        def moody() -> Agent:
            agent = make_agent(world)
            if not isinstance(agent.model, str) and not self.calm:
                agent.model = _Moody(agent.model, self.chance, self.weather.model)
            return agent

        self.history: History = History(moody, world, make_disk=make_disk)
        if isinstance(world, CountingWorld):
            world.trouble = self._trouble

    @contextmanager
    def played(self, message: str) -> Generator[Ending]:
        """Yield how it ended."""
        try:
            yield self._play(message)
        finally:
            self.history.discard()

    def _play(self, message: str) -> Ending:
        history = self.history
        for number in range(LIVES_MAX):
            self.calm = self.calm or number >= STORMY_LIVES
            history.course.dooms[:] = [] if self.calm else [self._strikes]
            try:
                ended = history.live(lambda house, agent: self._live(house, agent, message))
            except (PerdureError, Stuck, TimeoutError) as error:
                return history.ending(f"{type(error).__name__}: {error}")
            self._between()
            if ended and not history.operator.answers() and self.calm:
                return history.ending(restless(read_state(history.store, "run").state))
        return history.ending(f"it doesn't rest within {LIVES_MAX} lives")

    async def _live(self, house: House, agent: Agent, message: str) -> None:
        """Drive the run and its forks side by side, while somebody meddles."""
        meddling = asyncio.ensure_future(self._meddle(house))
        try:
            if not self._stands("run"):
                await house.start(agent, message, run="run")
            rows = [row.run for row in self.history.store.rows() if row.lineage == "run"]
            await asyncio.gather(*(house.resume(agent, run) for run in rows if self._stands(run)))
            if not self.calm and len(rows) <= FORKS_MAX and self.chance.random() < self.weather.people / 4:
                await self._fork(house, f"fork-{len(rows)}")
        finally:
            meddling.cancel()

    def _stands(self, run: str) -> bool:
        rows = self.history.store.rows(run)
        return bool(rows) and bool(rows[0].position)

    async def _fork(self, house: House, new: str) -> None:
        rows = [row for row in self.history.store.rows() if row.lineage == "run"]
        chosen = self.chance.choice(rows)
        at = self.chance.randint(min(3, chosen.position), chosen.position)
        self.history.course.note(f"a person: forks {chosen.run} at {at}")
        await house.fork(chosen.run, at=at, new=new)

    async def _meddle(self, house: House) -> None:
        """Say and do things at the worst of times."""
        while not self.calm and self.chance.random() < self.weather.people:
            await asyncio.sleep(self.chance.uniform(0, MEDDLING_SECONDS))
            rows = self.history.store.rows("run")
            if not rows or rows[0].position < 4:
                continue
            self._interfere(rows[0].position)
            await house.nudge("run")

    def _interfere(self, position: int) -> None:
        people, chance = self.history.people, self.chance
        state = read_state(self.history.store, "run").state
        done = [item for item in state.world.receipts.values() if item.outcome == "succeeded"]
        what = chance.choice(
            ("message", "message", "rewind", "rewind", "cancel", "revert", "approve", "deny")
        )
        self.history.course.note(f"a person: {what}")
        try:
            match what:
                case "message":
                    people.message("run", f"And {chance.randint(1, 99)}?")
                case "rewind":
                    people.rewind("run", chance.randint(3, position - 1), by="operator")
                case "cancel":
                    people.cancel("run", by="operator")
                case "revert" if done:
                    people.revert("run", chance.choice(done).settled, by="operator")
                case "approve":
                    people.approve("run", chance.choice([*state.world.approvals, "none"]), by="operator")
                case "deny":
                    people.deny("run", chance.choice([*state.world.approvals, "none"]), by="operator")
                case _:
                    pass
        except PerdureError as refused:
            self.history.course.note(f"refused: {refused}")

    def _between(self) -> None:
        """Let time pass between two lives; somebody may set the clock."""
        clock = self.history.course.clock
        clock.pass_ns(int(self.chance.uniform(0, 30) * 1e9))
        if not self.calm and self.chance.random() < self.weather.clock:
            seconds = self.chance.uniform(-JUMP_SECONDS, JUMP_SECONDS)
            self.history.course.note(f"the clock is set by {seconds:.0f} s")
            clock.set_wall(int(seconds * 1e9))

    def _strikes(self, here: Moment) -> bool:
        del here
        return self.chance.random() < self.weather.deaths

    def _trouble(self, act: str) -> Fault | None:
        if self.calm or self.chance.random() >= self.weather.tools:
            return None
        fault = self.chance.choice(FAULTS)
        self.history.course.note(f"{act}: {fault}")
        return fault
