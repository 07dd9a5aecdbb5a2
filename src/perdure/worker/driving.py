"""Drives runs to their rest, as many at once as this process has places for.

Invariants:
- A run is driven here at most once at a time, and only after its try was counted; the count goes when it rests, or when
  something was done.
- Whatever ends a driving, the placement says so before nobody remembers it: it rests until a time, is left for later, is
  parked, or still wants to be looked at.
- While a run is suspected of ending its process, it has no other suspect beside it.
- What is wrong with the store is no fault of a run.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final, Literal, TypeVar

import msgspec

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.family import Going, Watcher
from perdure.assembly.house import House
from perdure.assembly.stores.fleet import holder_has_ended
from perdure.driver.books import read_state
from perdure.driver.port import Clock
from perdure.log import events as e
from perdure.log.placing import Placed, Placements
from perdure.log.port import Post
from perdure.orchestrator.draft import content_of
from perdure.projection.state import State
from perdure.values.errors import (
    AgentChanged,
    AskSomeone,
    Fenced,
    Held,
    Moved,
    OtherVersion,
    PerdureError,
    StoreFailed,
    StoreFull,
    StoreReadOnly,
    TryAgain,
    UnknownRun,
)
from perdure.values.limits import (
    ENGINE_TIMER_NS,
    WORKER_SLOT_SECONDS,
    WORKER_TRIES_MAX,
    WORKER_TRY_PAUSE_NS,
    WORKER_WAITS_NS,
)
from perdure.worker.engine import Again
from perdure.worker.gates import Elsewhere, Gate, first_reason
from perdure.worker.resting import wake_of
from perdure.worker.telling import Tell, words_of
from perdure.worker.watch import Durable, Watch, unwatched

T = TypeVar("T")

_SECOND_NS: Final = 1_000_000_000

Turn = Literal["drive", "take over"]


class Driving:
    """The runs that this process drives for one database of the store."""

    def __init__(
        self,
        house: House,
        placements: Placements,
        agents: Mapping[str, Agent],
        *,
        slots: asyncio.Semaphore,
        threads: Executor,
        tell: Tell,
        gates: Sequence[Gate] = (),
        durable: Durable = unwatched,
        hushed: Callable[[str], str] = str,
    ) -> None:
        """Drive runs of ``agents`` in ``house``; ``slots`` are this process's places, ``threads`` ask the store.

        ``durable`` is told each run's events; what is kept of an error is what ``hushed`` returns of it.
        """
        self._house: House = house
        self._placements: Placements = placements
        self._agents: Mapping[str, Agent] = agents
        self._slots: asyncio.Semaphore = slots
        self._threads: Executor = threads
        self._tell: Tell = tell
        self._gates: tuple[Gate, ...] = tuple(gates)
        self._durable: Durable = durable
        self._hushed: Callable[[str], str] = hushed
        self._clock: Clock = house.clock
        self._suspects: asyncio.Lock = asyncio.Lock()
        self._drives: dict[str, asyncio.Task[Again | None]] = {}
        self._turns: dict[str, str] = {}
        """what each driving is called in the run's placement"""
        self._renewed: set[str] = set()
        self._timers: set[asyncio.Task[Again | None]] = set()
        self._drains: bool = False
        self.begins: Callable[[], bool] = lambda: True
        """whether another run may be begun"""

    @property
    def runs(self) -> Sequence[str]:
        """The runs that are being driven."""
        return tuple(self._drives)

    async def look(self, run: str) -> Again | None:
        """Drive the run, if there is something to do and nobody else does; see ``engine.Look``.

        Whoever stops waiting for this does not end the driving.
        """
        try:
            return await self._looked(run)
        except Exception as error:  # noqa: BLE001 - an engine would print it with all that it holds
            # The store is away, or this run's rows are: the sweep comes back to it.
            code = error.code if isinstance(error, PerdureError) else ""
            self._tell("run.unseen", run=run, code=code, why=words_of(error))
            return None

    async def _looked(self, run: str) -> Again | None:
        if run in self._drives or self._drains:
            return None
        placed = await self._ask(lambda: self._placements.look(run))
        turn = None if placed is None else await self._turn(placed)
        if placed is None or turn is None or run in self._drives:
            return self._soon(placed)
        reason = await first_reason(self._gates, placed)
        if reason is not None:
            if not isinstance(reason, Elsewhere):
                await self._left(run, reason, WORKER_WAITS_NS)
            return None
        try:
            async with asyncio.timeout(WORKER_SLOT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            return Again(self._clock.now() + _SECOND_NS)
        if run in self._drives or self._drains or not self.begins():
            self._slots.release()
            return None
        drive = asyncio.create_task(self._drive(placed, turn), name=f"drive {run}")
        self._drives[run] = drive
        drive.add_done_callback(lambda done: self._ended(run, done))
        return await asyncio.shield(drive)

    def renew(self, run: str) -> bool:
        """If the run is driven here it is taken up anew, to hear whose end was proved since; tell whether it is."""
        if run not in self._drives:
            return False
        self._renewed.add(run)
        self._house.wind_up(run)
        return True

    async def drain(self, seconds: float, hurry: asyncio.Event) -> Sequence[str]:
        """Begin nothing more, let go of all runs, and return those that could not be given back.

        What is under way may finish for ``seconds``, or until ``hurry``; then it is cancelled, which puts it in doubt.
        """
        self._drains = True
        self._house.wind_up()
        drives = tuple(self._drives.values())
        if drives:
            hurried = asyncio.create_task(hurry.wait())
            ended = asyncio.gather(*drives, return_exceptions=True)
            await asyncio.wait((hurried, ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
            for drive in drives:
                drive.cancel()
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait(drives, timeout=10.0)
        return self.runs

    def _ended(self, run: str, done: "asyncio.Task[Again | None]") -> None:
        self._drives.pop(run, None)
        self._renewed.discard(run)
        self._turns.pop(run, None)
        again = None if done.cancelled() or done.exception() is not None else done.result()
        if again is not None:
            # An engine and a sweep are up to a second late; who knows the time itself is not.
            wait = max(again.at_ns - self._clock.now(), 0) / 1e9
            asyncio.get_running_loop().call_later(wait, self._remember, run)
        self._slots.release()

    def _remember(self, run: str) -> None:
        """The time has come for which the run rested here: look at it, whoever else does."""
        task = asyncio.create_task(self.look(run), name=f"timer of {run}")
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    def _soon(self, placed: Placed | None) -> Again | None:
        """Say when the engine should ask again: for a time that is near."""
        if placed is None or placed.parked or placed.wake is None or placed.holding != "nobody":
            return None
        due = max(placed.wake, placed.later)
        return Again(due) if self._clock.now() < due < self._clock.now() + ENGINE_TIMER_NS else None

    async def _turn(self, placed: Placed) -> Turn | None:
        """Tell whether it is this process's turn to drive the run, and how."""
        now = self._clock.now()
        if placed.root:
            await self._ask(lambda: self._lead_on(placed.run))
            return None
        due = placed.wake is not None and placed.wake <= now
        wanted = due or placed.posts or placed.proved or placed.holding in ("ended", "lapsed")
        if placed.parked or placed.later > now or not wanted:
            return None
        if placed.agent not in self._agents:
            return None
        match placed.holding:
            case "nobody" | "ended":
                return "drive"
            case "living":
                return None
            case "lapsed":
                return "drive" if holder_has_ended(placed.holder) else "take over"
            case "stranger":
                if holder_has_ended(placed.holder):
                    return "drive"
                await self._left(
                    placed.run, f"{placed.process}, which is no worker, holds it", WORKER_WAITS_NS
                )
                return None

    async def _drive(self, placed: Placed, turn: Turn) -> Again | None:
        # A process that fell silent says nothing against the run.
        counts = turn == "drive"
        suspected = placed.tries + counts > 1
        watch = Watch(placed, suspected=suspected, progressed=self._progressed, durable=self._durable)
        try:
            if suspected and not await self._alone(watch, placed):
                return Again(self._clock.now() + _SECOND_NS)
            return await self._tried(placed, turn, watch, counts=counts)
        finally:
            watch.done()

    async def _alone(self, watch: Watch, placed: Placed) -> bool:
        """No other suspect is driven here; False if one is for longer than a place is kept, or the run has moved.

        Only then its try is counted: whatever ends this process until then, the run had no part in it.
        """
        if not await watch.alone(self._suspects, WORKER_SLOT_SECONDS):
            return False
        now = await self._ask(lambda: self._placements.look(placed.run))
        stays = now is not None and (now.epoch, now.process) == (placed.epoch, placed.process)
        return stays and not self._drains

    async def _tried(self, placed: Placed, turn: Turn, watch: Watch, *, counts: bool) -> Again | None:
        run, began, name = placed.run, self._clock.now(), uuid.uuid4().hex
        self._turns[run] = name
        held: set[str] = set()
        tries = await self._ask(lambda: self._placements.begin(run, counts=counts, turn=name))
        if tries > WORKER_TRIES_MAX:
            await self._park(run, f"{tries - 1} processes ended while they drove it, and nothing was done")
            return None
        if turn == "take over":
            self._tell("run.taken", **watch.told, of=placed.process)
        try:
            judged = placed.epoch if turn == "take over" else None
            watcher = Watcher(watch, held=held.add)
            going = Going(watcher, judged=judged, parks=True, pins=True)
            state = await self._house.take_up(self._agents[placed.agent], run, going)
        except asyncio.CancelledError:
            await asyncio.shield(self._rest(run, 0))
            self._tell("run.let_go", **watch.told)
            raise
        except Exception as error:  # noqa: BLE001 - an agent's code may raise anything; it is told and counted
            return await self._failed(watch, error, tries)
        watch.done()
        return await self._rested(state, began, watch, held)

    async def _rested(self, state: State, began: int, watch: Watch, held: Collection[str]) -> Again | None:
        await self._ask(lambda: self._place_children(state, state.run, held))
        wake = (
            0
            if (self._drains and not state.closed) or state.run in self._renewed
            else wake_of(state, self._clock.now())
        )
        await self._rest(state.run, wake)
        seconds = round((self._clock.now() - began) / 1e9, 3)
        words = state.wait if state.status == "waiting" else ""
        self._tell(
            "run.rests",
            **watch.told,
            status=state.status,
            waits=words,
            wake=wake,
            seconds=seconds,
        )
        if wake is None or self._drains:
            return None
        return Again(wake) if wake < self._clock.now() + ENGINE_TIMER_NS else None

    def _lead_on(self, child: str) -> None:
        """The child's root is driven, and nothing is left of why."""
        self._placements.call(child)
        self._placements.rest(child, wake=None)

    def _place_children(self, state: State, root: str, held: Collection[str]) -> None:
        """What people say to children that wait leads their root on, and so does whoever lets go of one that it holds."""
        children = [effect.child for effect in state.world.open.values() if effect.child]
        if state.closed or not children:
            return
        placed = self._placements.look(root)
        if placed is None:
            return
        for child in children:
            with suppress(UnknownRun):
                self._placements.place(child, placed.agent, root=root)
                self._await_end(child, was_held=child in held)
                self._place_children(read_state(self._house.store, child).state, root, held)

    def _await_end(self, child: str, *, was_held: bool) -> None:
        """Let the child be called once nobody holds it, if it did not come to its rest in this driving of its root.

        One that was held then may have been let go since: its root has not heard how it rests.
        """
        placed = self._placements.look(child)
        if placed is None:
            return
        if placed.holding == "nobody" and placed.status == "waiting" and not was_held:
            return
        self._placements.rest(child, wake=0)
        if placed.holding == "stranger":
            self._placements.leave(child, later=self._clock.now() + WORKER_WAITS_NS, waits="")

    async def _failed(self, watch: Watch, error: Exception, tries: int) -> Again | None:
        run = watch.run
        code = error.code if isinstance(error, PerdureError) else ""
        said = self._hushed(words_of(error))
        match error:
            case Held() | Fenced() | Moved():
                # Whoever has it keeps the count; it says itself how the run rests.
                self._tell("run.left", **watch.told, code=code, why=said)
                return None
            case TryAgain() | AskSomeone() | StoreFailed() | StoreReadOnly() | StoreFull() | AgentChanged():
                self._tell("run.waits", **watch.told, code=code, why=said)
                pause = 2 * _SECOND_NS if isinstance(error, TryAgain | OtherVersion) else WORKER_WAITS_NS
                await self._rest(run, 0)
                await self._left(run, said, pause)
                return None
            case _:
                self._tell("run.failed", **watch.told, code=code, why=said, tries=tries)
                if tries >= WORKER_TRIES_MAX:
                    await self._park(run, f"{tries} tries failed, the last one with {said}")
                else:
                    await self._left(run, f"try {tries} failed: {said}", WORKER_TRY_PAUSE_NS << (tries - 1))
                return None

    async def _park(self, run: str, why: str) -> None:
        """Nobody drives the run until a person says so; its log is told."""
        await self._ask(lambda: self._placements.park(run, why))
        self._tell("run.parked", run=run, why=why)
        text, blob = content_of(f"workers parked this run: {why}")
        note = e.NoteMade("worker", text)
        body = msgspec.Raw(msgspec.json.encode(note))
        post = Post(f"parked-{uuid.uuid4().hex}", e.KIND_OF[e.NoteMade], body, self._clock.now())
        with suppress(PerdureError):
            if blob is not None:
                await self._ask(lambda: self._house.store.put(*blob))
            await self._ask(lambda: self._house.store.post(run, post))
            await self._house.attend(run)

    async def _rest(self, run: str, wake: int | None) -> None:
        with suppress(PerdureError):
            await self._ask(lambda: self._placements.rest(run, wake=wake, turn=self._turns.get(run, "")))

    async def _left(self, run: str, waits: str, pause_ns: int) -> None:
        later = self._clock.now() + pause_ns
        with suppress(PerdureError):
            await self._ask(lambda: self._placements.leave(run, later=later, waits=waits))

    def _progressed(self, run: str) -> None:
        """Something was done: this try is not one without progress. A suspect is none any more."""
        name = self._turns.get(run, "")
        task = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._placements.rest(run, wake=0, turn=name)
        )
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _ask(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
