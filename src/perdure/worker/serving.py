"""A worker in this process: from its settings to its end.

Invariants:
- Before it takes a run the process is in the registry of every database of the store.
- It says that it has ended only once nothing of it can send any more.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.versions import pinned
from perdure.assembly.files.lodging import Lodging
from perdure.assembly.house import House
from perdure.assembly.stores.addresses import Location, address_of
from perdure.assembly.stores.fleet import Base, bases_of, begun_here
from perdure.assembly.stores.opening import OpenedBooks, open_books
from perdure.assembly.watching import counting_in
from perdure.log.placing import ProcessBegun
from perdure.values.errors import Busy
from perdure.values.limits import ENGINE_PAUSE_SECONDS_MAX
from perdure.worker.clocks import FleetClock
from perdure.worker.driving import Driving
from perdure.worker.engine import Engine
from perdure.worker.engines import EngineWish, engine_of
from perdure.worker.figures import Figures
from perdure.worker.hearing import hear
from perdure.worker.probes import Answer, Probes
from perdure.worker.pulse import Bounds, Pulse
from perdure.worker.surveying import Survey
from perdure.worker.sweeping import Sweep
from perdure.worker.telling import Tell
from perdure.worker.tenants import TenantGate
from perdure.worker.tidying import tidy
from perdure.worker.versions import VersionGate, queue_for

LOOSE: Final = 4
"""The exit code of a worker that could not give all of its runs back in time."""


class WorkerSettings(NamedTuple):
    """What a worker serves, and how."""

    location: Location
    agents: Mapping[str, Agent]
    """by their own names"""
    version: str
    """of perdure"""
    concurrency: int = 8
    engine: str = "procrastinate"
    host: str = "127.0.0.1"
    port: int | None = None
    """where probes are answered; None for nowhere"""
    drain_seconds: float = 20.0
    bounds: Bounds = Bounds()
    hushed: Callable[[str], str] = str
    """returns a text without credentials"""


class Station(NamedTuple):
    """What serves one database of the store."""

    base: Base
    engine: Engine
    driving: Driving
    sweep: Sweep
    tenants: TenantGate


class Worker:
    """A running worker."""

    def __init__(self, settings: WorkerSettings, opened: OpenedBooks, tell: Tell) -> None:
        """Serve the open store ``opened``."""
        self._settings: WorkerSettings = settings
        self._opened: OpenedBooks = opened
        self._tell: Tell = tell
        bases = bases_of(settings.location)
        # Whoever waits for a shard that is away must not keep the others' runs waiting.
        spare = settings.concurrency if len(bases) > 1 else 0
        self._threads: ThreadPoolExecutor = ThreadPoolExecutor(6 + spare, "perdure-store")
        self._clock: FleetClock = FleetClock()
        self._house: House = House(
            opened.books,
            self._clock,
            scratch=opened.scratch,
            location=opened.location,
            threads=self._threads,
            lodging=Lodging(address_of(settings.location).local),
        )
        self._slots: asyncio.Semaphore = asyncio.Semaphore(settings.concurrency)
        self._probes: Probes | None = None
        self.draining: bool = False
        figures = self.figures = Figures()
        if settings.port is not None:
            self._probes = Probes(
                settings.host,
                settings.port,
                healthy=self._healthy,
                ready=self._ready,
                figures=figures.registry,
            )
        begun = self._begun()
        self.stations: tuple[Station, ...] = tuple(self._station(base, begun) for base in bases)
        self.pulse: Pulse = Pulse(
            [each.base for each in self.stations],
            begun,
            bounds=settings.bounds,
            driving=self._driven,
            tell=tell,
        )
        for station in self.stations:
            station.driving.begins = lambda name=station.base.name: (
                not (self.pulse.adrift_in(name) or self.survey.astray)
            )
        self.survey: Survey = Survey(
            {each.base.name: each.base.watched for each in self.stations},
            lambda: counting_in(opened.books),
            tell=tell,
            outdated=_end_in_order,
            clock=self._clock,
        )
        figures.follow(
            driving=lambda: len(self.runs),
            silence=lambda: self.pulse.silence_seconds,
            draining=lambda: self.draining,
            places=settings.concurrency,
            survey=self.survey,
        )

    @property
    def address(self) -> str:
        """Where probes are answered; empty if nowhere."""
        return self._probes.address if self._probes is not None else ""

    @property
    def runs(self) -> Sequence[str]:
        """The runs that are being driven."""
        return [run for each in self.stations for run in each.driving.runs]

    def _begun(self) -> ProcessBegun:
        settings = self._settings
        versions = {name: agent.version for name, agent in settings.agents.items()}
        return begun_here(
            address=self.address,
            version=settings.version,
            engine=settings.engine,
            agents=versions,
            concurrency=settings.concurrency,
        )

    def _station(self, base: Base, begun: ProcessBegun) -> Station:
        settings, tell = self._settings, self._tell
        queues = (
            *settings.agents,
            *(queue_for(name, each.version) for name, each in settings.agents.items()),
        )
        wish = EngineWish(base.address.secret, queues, settings.concurrency, begun.name, self._clock.now)
        engine = engine_of(settings.engine, wish)
        versions = VersionGate(
            settings.agents,
            engine,
            pinned=lambda run: pinned(self._opened.books, run),
            living=base.registry.processes,
        )
        tenants = TenantGate(base.tenants, self._clock)
        driving = Driving(
            self._house,
            base.placements,
            settings.agents,
            slots=self._slots,
            threads=self._threads,
            tell=self.figures.counting(tell),
            gates=(versions, tenants),
            durable=self.figures.durable,
            hushed=settings.hushed,
        )
        sweep = Sweep(
            base,
            engine,
            tuple(settings.agents),
            name=begun.name,
            renew=driving.renew,
            threads=self._threads,
            tell=tell,
            clock=self._clock,
        )
        return Station(base, engine, driving, sweep, tenants)

    async def serve(self, stop: asyncio.Event, hurry: asyncio.Event, serving: Callable[[], None]) -> int:
        """Drive runs until ``stop``, then let go of them, quicker if ``hurry``; return the exit code."""
        loop = asyncio.get_running_loop()
        await self._prepare()
        await asyncio.to_thread(self.pulse.begin)
        await asyncio.to_thread(self.survey.begin)
        self.pulse.found = lambda: _called_soon(loop, self._hurry)
        async with self._tending():
            serving()
            await stop.wait()
            return await self._drained(hurry)

    async def _prepare(self) -> None:
        """Engines have what they need; those of databases that are away get it later, unless all are."""
        away: list[Busy] = []
        for station in self.stations:
            try:
                await station.engine.prepare()
            except Busy as error:
                away.append(error)
        if len(away) == len(self.stations):
            raise away[0]

    async def _serve(self, station: Station) -> None:
        """The engine serves, as soon as it can be prepared."""
        while True:
            try:
                await station.engine.prepare()
                break
            except Busy:
                await asyncio.sleep(ENGINE_PAUSE_SECONDS_MAX)
        await station.engine.serve(station.driving.look)

    def _driven(self, base: str) -> int:
        return sum(len(each.driving.runs) for each in self.stations if each.base.name == base)

    def _hurry(self) -> None:
        for station in self.stations:
            station.sweep.hurry()

    @asynccontextmanager
    async def _tending(self) -> AsyncGenerator[None]:
        """Engines serve, sweeps sweep and notices are heard, until the end of this."""
        tasks = [asyncio.create_task(tidy(self._opened.books), name="tidying")]
        for station in self.stations:
            base, sweep, tenants = station.base, station.sweep, station.tenants
            tasks += (
                asyncio.create_task(tenants.tend(), name=f"tenants {base.name}"),
                asyncio.create_task(self._serve(station), name=f"engine {base.name}"),
                asyncio.create_task(sweep.run(), name=f"sweep {base.name}"),
                asyncio.create_task(
                    hear(base.address.secret, sweep.called, sweep.hurry), name=f"calls {base.name}"
                ),
            )
        for task in tasks:
            task.add_done_callback(self._fell)
        try:
            yield
        finally:
            for task in tasks:
                task.remove_done_callback(self._fell)
                task.cancel()
            await asyncio.wait(tasks, timeout=5.0)
            for station in self.stations:
                await station.engine.close()

    def _fell(self, task: "asyncio.Task[None]") -> None:
        """What should go on has ended: a worker that looks alive and takes nothing is worse than none."""
        error = None if task.cancelled() else task.exception()
        if self.draining and error is None:
            return
        self._tell("worker.broke", part=task.get_name(), why=f"{type(error).__name__}: {error}")
        signal.raise_signal(signal.SIGTERM)

    async def _drained(self, hurry: asyncio.Event) -> int:
        self.draining = self.pulse.draining = True
        seconds = self._settings.drain_seconds
        self._tell("worker.drains", driving=len(self.runs), seconds=seconds)
        for station in self.stations:
            station.engine.stop()
        left = await asyncio.gather(*(each.driving.drain(seconds, hurry) for each in self.stations))
        await self._house.close()
        loose = [run for runs in left for run in runs]
        if loose:
            self._tell("worker.leaves", runs=", ".join(loose))
        return LOOSE if loose or self._house.loose else 0

    def close(self, code: int) -> None:
        """The store is closed, and the registry knows that this process has ended if nothing of it is left."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.survey.close()
        self._opened.close()
        # With runs that were not given back something may still send: then the end of the process is for others to see.
        self.pulse.close(how="it has said so itself" if code == 0 else "")
        if self._probes is not None:
            self._probes.close()
        for station in self.stations:
            station.base.close()

    def _healthy(self) -> Answer:
        seconds = self.pulse.unheard_seconds
        well = seconds < self._settings.bounds.alone
        return Answer(well, "alive" if well else f"the store was not heard of for {seconds:.0f} s")

    def _ready(self) -> Answer:
        if self.draining:
            return Answer(well=False, words="draining")
        if self.pulse.adrift:
            return Answer(
                well=False, words=f"the store was not heard of for {self.pulse.unheard_seconds:.0f} s"
            )
        if self.survey.obstacle:
            return Answer(well=False, words=self.survey.obstacle)
        return Answer(
            well=True, words=f"ready, {len(self.runs)} of {self._settings.concurrency} places taken"
        )


def _called_soon(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(work)


def _end_in_order() -> None:
    """Somebody migrated the store beyond what this build can work beside: what it wrote could be misread."""
    signal.raise_signal(signal.SIGTERM)


async def serve(settings: WorkerSettings, tell: Tell, serving: Callable[[Worker], None]) -> int:
    """Serve until a signal says to end; a second one ends without waiting for what is under way. Return the exit code."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    opened = await asyncio.to_thread(open_books, settings.location, create=True)
    worker = Worker(settings, opened, tell)
    code = LOOSE
    try:
        code = await worker.serve(stop, hurry, lambda: serving(worker))
    finally:
        await asyncio.to_thread(worker.close, code)
    tell("worker.ended", code=code)
    if code:
        # A tool that hangs in a thread would keep the interpreter from ending.
        os._exit(code)
    return code
