"""Runs of foreign agents' conversations: begun, forked, taken up again and written from one loop.

Invariants:
- A conversation's run is written under a lease like any other, by one writer; it drives nothing.
- Whoever does what a fact allows waits for it first: ``told`` is done when the fact is on disk.
- What a person posted is taken in by ``obey``, which comes before each request.
- Content that nobody waits for is written one batch at a time, so that what somebody waits for has little before it.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from perdure.adapters.holders import this_holder
from perdure.assembly.agents.agent import Rules, rules_of
from perdure.assembly.agents.beginnings import acquired
from perdure.contract import Contract, Law
from perdure.driver.answers import Answers
from perdure.driver.books import Books, Recent, events_after, text_of, within
from perdure.driver.drive import first_of, heard_post
from perdure.driver.port import Clock
from perdure.driver.writer import Heard, RunWriter
from perdure.intention.declaration import Definition
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.log.port import Appended, Batch, Lease, NewRun, Remembered, RunRow
from perdure.orchestrator.step import STEP
from perdure.projection.state import State
from perdure.values.errors import Broken, Busy, PerdureError, RunExists, TryAgain, require
from perdure.values.limits import (
    CONTENT_WAITING_BYTES_MAX,
    LIGHT_BATCH_BYTES,
    TALK_RECENT_BYTES_MAX,
)

T = TypeVar("T")

_BUSY_SECONDS: Final = 0.1
_BUSY_SECONDS_MAX: Final = 2.0
"""Between two tries to write where another process holds the store; a command holds it for milliseconds."""


class Noted(NamedTuple):
    """What followed from facts, and when it is on disk."""

    events: tuple[Event, ...]
    durable: Awaitable[None]


Through = Callable[[Sequence[Heard]], Awaitable[tuple[Event, ...]]]
"""How facts reach a run that is driven: they are on disk when it ends."""


class Scribe:
    """The one writer of one conversation's run; in a run that is driven, whoever drives writes, too."""

    def __init__(self, writer: RunWriter, desk: "WritingDesk", through: Through | None = None) -> None:
        """Write by ``writer`` at ``desk``; ``through`` where the run is driven, and its driver takes facts in."""
        self._writer: RunWriter = writer
        self._desk: WritingDesk = desk
        self._through: Through | None = through
        self._newest: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self.failed: bool = False
        """whether something could not be written: the state is ahead of the log, and nothing more is written"""
        self.failure: str = ""
        """why, in words"""
        self.settled: State = writer.state
        """the newest state that is on disk"""

    @property
    def run(self) -> str:
        """The run."""
        return self._writer.run

    @property
    def epoch(self) -> int:
        """Of its lease."""
        return self._writer.epoch

    @property
    def state(self) -> State:
        """The state after all that was told, on disk or on its way there."""
        return self._writer.state

    async def tell(self, *bodies: e.Body, blobs: Sequence[tuple[str, bytes]] = ()) -> Noted:
        """Take ``bodies`` as facts; return what follows from them.

        Where nobody drives the run, this is done without a pause. Raises what deciding raises; nothing is then
        written.
        """
        heard = [Heard(body) for body in bodies]
        if heard and blobs:
            heard[0] = heard[0]._replace(blobs=tuple(blobs))
        return self.begin(heard) if self._through is None else await self._taken(self._through, heard)

    async def obey(self) -> Noted | None:
        """Take in what people have posted; None where that is nothing, or the driver does it."""
        if self._through is not None:
            return None
        posted = tuple(heard_post(post) for post in first_of(self._writer.store.inbox(self.run)))
        return self.begin(posted) if posted else None

    def text(self, content: e.Content | None) -> str:
        """Return the text that ``content`` holds or names."""
        return text_of(self._writer.recent, content)

    def read(self, content: e.Content) -> bytes:
        """Return the bytes that ``content`` holds or names."""
        if content.blob is None:
            return (content.text or "").encode("utf-8", "surrogatepass")
        return self._writer.recent.get(content.blob)

    async def all_written(self) -> None:
        """Return when nothing is on its way to the disk any more."""
        while self._under_way:
            await asyncio.wait(tuple(self._under_way))

    def begin(self, heard: Sequence[Heard]) -> Noted:
        """Take ``heard``, what a stream begins with or what a person said."""
        require(not self.failed, f"{self.run}: a fact is told after one that could not be written")
        events, batch = self._writer.write(heard)
        work = self._appended(self._newest, batch, self._writer.state)
        task = asyncio.get_running_loop().create_task(work)
        self._newest = task
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return Noted(events, asyncio.shield(task))

    async def _taken(self, through: Through, heard: Sequence[Heard]) -> Noted:
        require(not self.failed, f"{self.run}: a fact is told after one that could not be written")
        try:
            events = await _patiently(lambda: through(heard))
        except PerdureError as error:
            if not isinstance(error, Broken | TryAgain):
                self.failed = True
                self.failure = self.failure or f"{type(error).__name__}: {error}"
            raise
        self.settled = self._writer.state
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        durable.set_result(None)
        return Noted(events, durable)

    async def _appended(self, before: "asyncio.Task[None] | None", batch: Batch, state: State) -> None:
        """Append ``batch`` behind the one ``before``; the state that it leads to is settled then."""
        size = sum(len(content) for _, content in batch.blobs)
        self._desk.waiting += size
        try:
            if before is not None and not before.done():
                await asyncio.wait((before,))
            if size > LIGHT_BATCH_BYTES:
                async with self._desk.heavy:
                    await self._desk.append(self._writer.store, batch)
            else:
                await self._desk.append(self._writer.store, batch)
        finally:
            self._desk.waiting -= size
        self.settled = state

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self.failed = True
            self.failure = self.failure or f"{type(error).__name__}: {error}"
        elif not self._under_way:
            self._writer.settle()


class WritingDesk:
    """Where all scribes of one loop hand in what they write."""

    def __init__(self) -> None:
        """Bring answers into the running loop."""
        self._answers: Answers[Appended | Remembered] = Answers(asyncio.get_running_loop())
        self.heavy: asyncio.Semaphore = asyncio.Semaphore(1)
        """held by the one batch with much content that is on its way"""
        self.waiting: int = 0
        """bytes of content that are told and not on disk"""

    @property
    def answers(self) -> Answers[Appended | Remembered]:
        """The way of the store's answers into the loop."""
        return self._answers

    async def append(self, books: Books, batch: Batch) -> None:
        """Make ``batch`` durable; a store that is busy is asked again. Raises what appending raises."""
        answer = await _patiently(lambda: self._answers.of(books.append(batch)))
        require(isinstance(answer, Appended), f"{batch.run}: a conversation holds no claims")


class Conversations:
    """All conversations of one store."""

    def __init__(self, books: Books, clock: Clock) -> None:
        """Serve ``books`` from the running loop."""
        self._books: Books = books
        self._clock: Clock = clock
        self._desk: WritingDesk = WritingDesk()
        self._rules: dict[str, Rules] = {}
        self._laws: dict[tuple[str, str], Law] = {}

    @property
    def clock(self) -> Clock:
        """Whose time the log has."""
        return self._clock

    @property
    def is_behind(self) -> bool:
        """Whether so much content waits for the disk that no more should be told that can be done without."""
        return self._desk.waiting > CONTENT_WAITING_BYTES_MAX

    def rows(self) -> Sequence[RunRow]:
        """Return all runs of the store, oldest first."""
        return self._books.rows()

    async def open(self, run: str, opened: e.ConversationOpened) -> Scribe:
        """Begin ``run``; it is told to the disk, not yet on it. Raises ``RunExists``."""
        new = NewRun(run, run, "default", self._clock.now())
        agent = f"gateway:{_client_name(opened.client)}"
        rules = self._rules_of(agent)

        def begun() -> tuple[RunWriter, Lease]:
            if not self._books.create(new):
                raise RunExists(f"there is a run {run!r} already")
            return self._leased(run)

        writer, lease = await asyncio.to_thread(begun)
        writer.begin(rules.definition, rules.contract, rules.law)
        scribe = Scribe(writer, self._desk)
        first = e.RunOpened(
            agent=agent,
            definition=rules.definition,
            contract=rules.contract,
            lineage=run,
            tenant="default",
            step=STEP,
        )
        scribe.begin((Heard(first, rules.blobs), acquired(lease, attends=True), Heard(opened)))
        return scribe

    async def fork(self, source: str, at: int, new: str, why: str) -> Scribe:
        """Begin ``new`` as the prefix of ``source`` up to ``at``. Raises ``RunExists``, ``BadPosition``."""
        (row,) = self._books.rows(source)
        made = NewRun(new, row.lineage, row.tenant, self._clock.now(), source, at)

        def begun() -> tuple[RunWriter, Lease]:
            if not self._books.create(made):
                raise RunExists(f"there is a run {new!r} already")
            return self._leased(new)

        writer, lease = await asyncio.to_thread(begun)
        scribe = Scribe(writer, self._desk)
        forked = e.RunForked(source, at, row.tenant, STEP, why)
        scribe.begin((Heard(forked), acquired(lease, attends=True)))
        return scribe

    async def take_up(self, run: str) -> Scribe:
        """Go on with a run that was begun before. Raises ``Held``, ``UnknownRun``, ``StoreDamaged``."""
        writer, lease = await asyncio.to_thread(self._leased, run)
        scribe = Scribe(writer, self._desk)
        scribe.begin((acquired(lease, attends=True),))
        return scribe

    async def let_go(self, scribe: Scribe) -> None:
        """Write what is on its way and give the run back."""
        await scribe.all_written()
        try:
            await asyncio.to_thread(self._books.release, scribe.run, scribe.epoch)
        except PerdureError:
            # A store that failed can't be told; the next writer finds this process dead.
            scribe.failed = True

    def events(self, run: str, after: int = 0) -> list[Event]:
        """Return all events of the run past ``after``, its parent's among them."""
        return list(events_after(self._books, run, after))

    def _leased(self, run: str) -> tuple[RunWriter, Lease]:
        lease = self._books.acquire(run, this_holder(uuid.uuid4().hex))
        books = within(self._books, run)
        writer = RunWriter(books, run, lease.epoch, self._clock, self._desk.answers)
        writer.recent = Recent(books, TALK_RECENT_BYTES_MAX)
        if writer.state.position:
            known = writer.state.definition, writer.state.contract
            law = self._laws.get(known)
            if law is None:
                law = self._laws[known] = writer.law
            writer.begin(*known, law)
        return writer, lease

    def _rules_of(self, agent: str) -> Rules:
        """Return definition and law of a foreign agent: it has no tools of ours, and nothing to obey."""
        known = self._rules.get(agent)
        if known is None:
            known = rules_of(Definition(name=agent, instructions="", model="", tools=()), Contract())
            self._rules[agent] = known
            self._laws[known.definition, known.contract] = known.law
        return known


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Return what ``write`` gives; a store that is busy has taken nothing, and is asked again for a while."""
    pause = _BUSY_SECONDS
    while True:
        try:
            return await write()
        except Busy:
            if pause > _BUSY_SECONDS_MAX:
                raise
        await asyncio.sleep(pause)
        pause *= 2


def _client_name(client: str) -> str:
    return client.partition("/")[0] or "unknown"
