"""A foreign client's run: its calls are judged, done once, and answered; its conversation and its files stand beside them.

Invariants:
- All that is told to the run goes through its one writer, whoever tells it: the driver, the gateway, a client.
- A call is known by its name. The same name again is the same call, answered from its record.
- What was begun for a call is never stopped because nobody waits for it any more, and never done again for that.
- Whoever waits is answered, also where only a person could end the wait: with words that say so.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.holders import this_holder
from perdure.assembly.agents.agent import Rules, rules_of
from perdure.assembly.agents.beginnings import acquired, bereaved, bereft, forked
from perdure.assembly.agents.ports import OpenedWorkspace, place_of
from perdure.assembly.clock import SystemClock
from perdure.assembly.foreign.answering import Answer, Asked, Waiting, answer_of, waiting_on
from perdure.assembly.foreign.conversations import Scribe, WritingDesk
from perdure.assembly.store import Store
from perdure.contract import Contract
from perdure.driver.books import Recent, within
from perdure.driver.drive import Drive
from perdure.driver.port import ChildEnd, Clock, Tools
from perdure.driver.work import Work
from perdure.driver.writer import Heard, RunWriter
from perdure.intention.declaration import Declaration, Definition
from perdure.intention.reply import Call, Reply
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.log.port import NewRun
from perdure.orchestrator.draft import content_of
from perdure.orchestrator.step import STEP
from perdure.projection.state import State
from perdure.values.digest import canonical
from perdure.values.errors import AgentChanged, Broken, PerdureError
from perdure.values.ids import checked_name
from perdure.values.limits import GRACE_SECONDS, TALK_RECENT_BYTES_MAX
from perdure.wire.prompt import Prompt

BY_CLIENT: Final = "client"
"""Who goes back where a client does: it sends an older history, or has not seen what it was answered."""


class Foreign(NamedTuple):
    """Whose run it is, and what it may do."""

    agent: str
    """as the log names it: ``mcp``, or ``wrap:CLIENT``"""
    tools: tuple[Declaration, ...]
    contract: Contract = Contract()
    root: Path | None = None
    """the directory that the client works in; None where files are none of the run's business"""

    def rules(self, tools: Sequence[Declaration]) -> Rules:
        """Return definition and contract with these ``tools``. Raises ``BadContract`` if they don't fit."""
        known = Definition(
            name=self.agent,
            instructions="",
            model="",
            tools=tuple(sorted(tools, key=lambda tool: tool.name)),
            workspace=self.root is not None,
            foreign=True,
        )
        return rules_of(known, self.contract)


class Nobody:
    """Stands where a run of our own has its model and its children: a foreign client's has none."""

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's
    ) -> Reply:
        """Raise ``Broken``."""
        del prompt, on_text, timeout
        raise Broken(f"{key}: a foreign client's run asked a model of ours")

    async def run(self, *, child: str, parent: str, tool: str, task: str, depth: int) -> ChildEnd:
        """Raise ``Broken``."""
        del tool, task, depth
        raise Broken(f"{parent}: a foreign client's run has no child {child}")


class Session:
    """One foreign client's run, driven in this loop."""

    def __init__(self, store: Store, writer: RunWriter, desk: WritingDesk, foreign: Foreign) -> None:
        """Use ``Session.open``."""
        self.run: str = writer.run
        self.resumed: bool = writer.state.position > 0
        """whether the run was begun before"""
        self.store: Store = store
        self.foreign: Foreign = foreign
        self.clock: Clock = writer.clock
        self._writer: RunWriter = writer
        self.scribe: Scribe = Scribe(writer, desk, self._take)
        """what a conversation is written with"""
        self._workspace: OpenedWorkspace | None = None
        self._drive: Drive | None = None
        self._work: asyncio.Task[State] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._taking: set[asyncio.Task[tuple[Event, ...]]] = set()

    @classmethod
    async def open(
        cls,
        store: Store,
        run: str,
        foreign: Foreign,
        performs: Tools,
        *,
        tenant: str = "default",
        take_over: bool = False,
        clock: Clock | None = None,
    ) -> "Session":
        """Begin ``run``, or go on with it, and drive it until ``close``; deeds are done by ``performs``.

        Raises ``Held`` where a living process has it, ``AgentChanged`` where the run is another client's,
        ``BadContract``, ``BadRoot``, ``WorkspaceBusy``, and what appending raises.
        """
        checked_name(run, field="run")
        clock = clock or SystemClock()
        books = store.books
        desk = WritingDesk()
        await asyncio.to_thread(books.create, NewRun(run, run, tenant, clock.now()))
        books = await asyncio.to_thread(within, books, run)
        lease = await asyncio.to_thread(
            books.acquire, run, this_holder(uuid.uuid4().hex), take_over=take_over
        )
        try:
            writer = await asyncio.to_thread(RunWriter, books, run, lease.epoch, clock, desk.answers)
            writer.recent = Recent(books, TALK_RECENT_BYTES_MAX)
            session = cls(store, writer, desk, foreign)
            _check(writer.state, foreign)
            taken = acquired(lease, attends=False, root=session._moved_to())
            await session._begin((*bereft(lease, writer.state), taken), performs)
        except BaseException:
            await asyncio.to_thread(books.release, run, lease.epoch)
            raise
        return session

    @property
    def state(self) -> State:
        """The state after all that was told."""
        return self._writer.state

    @property
    def failure(self) -> BaseException | None:
        """Why the run isn't driven any more; None while it is."""
        if self._work is None or not self._work.done() or self._work.cancelled():
            return None
        return self._work.exception()

    async def tell(self, *bodies: e.Body, blobs: Sequence[tuple[str, bytes]] = ()) -> tuple[Event, ...]:
        """Take ``bodies`` in as facts; return what follows once it is on disk."""
        heard = [Heard(body) for body in bodies]
        if blobs:
            heard[0] = heard[0]._replace(blobs=tuple(blobs))
        return await self._take(heard)

    async def adopt(self, tools: Sequence[Declaration]) -> None:
        """From here on these are the tools; one that an open effect needs stays as it was."""
        known = {tool.name: tool for tool in tools}
        for effect in self.state.world.open.values():
            was = self._writer.law.definition.tool(effect.tool)
            if was is not None:
                known[effect.tool] = was
        self.foreign = self.foreign._replace(tools=tuple(tools))
        await self._take(self._changed(self.foreign.rules(tuple(known.values())), "tools"))

    async def call(
        self,
        asked: Asked,
        *,
        patience: float,
        on_wait: Callable[[Waiting], Awaitable[None]] | None = None,
    ) -> Answer:
        """Have a tool called; return what the client is told.

        ``on_wait`` hears of it when a person has to allow it first. A wait for a person ends after ``patience``
        seconds, and the client is told what it waits for; what was begun goes on.
        """
        if asked.id not in self.state.live.received:
            content, blob = content_of(canonical(asked.arguments).decode())
            body = e.CallReceived(asked.id, asked.tool, content, asked.of, asked.via)
            call = Call(asked.id, asked.tool, asked.arguments)
            await self._take([Heard(body, (blob,) if blob is not None else (), call=call)])
        told: str = ""
        until = asyncio.get_running_loop().time() + patience
        while True:
            record = self.state.live.received.get(asked.id)
            if record is None:
                return Answer(
                    "gone", "The client went back to before this call; what was begun for it goes on."
                )
            found = answer_of(record, self.scribe.text)
            if found is not None:
                return found._replace(approval=told) if found.kind == "waits" and told else found
            call = self._writer.asked[asked.id]
            waiting = waiting_on(self.state, self._writer.law.definition, record, call)
            if waiting is not None and waiting.approval != told:
                told = waiting.approval
                if on_wait is not None:
                    await on_wait(waiting)
                    continue
            left = until - asyncio.get_running_loop().time()
            if waiting is not None and (left <= 0 or waiting.kind == "doubt"):
                # Nobody settles a doubt while a client holds its breath.
                await self._take([Heard(e.CallReleased(asked.id, waiting.words, waiting.kind))])
                continue
            await self._news(left if waiting is not None else None)

    async def decide(self, approval: str, *, grant: bool, by: str, note: str = "") -> None:
        """Record a person's answer to a question."""
        body = e.ApprovalGranted(approval, by, note) if grant else e.ApprovalDenied(approval, by, note)
        await self._take([Heard(body)])

    async def release(self, call: str, why: str) -> None:
        """Nobody waits for the answer to ``call`` any more; what was begun for it goes on."""
        record = self.state.live.received.get(call)
        if record is not None and not record.answered:
            await self._take([Heard(e.CallReleased(call, why))])

    async def client_did(self, call: str, outcome: str, result: str, error: str = "") -> None:
        """The client tells what became of what it did itself: 'succeeded', 'failed' or 'unknown'."""
        record = self.state.live.received.get(call)
        if record is not None and not record.answered:
            content, blob = content_of(result)
            body = e.CallAnswered(call, outcome, content, error)
            await self._take([Heard(body, (blob,) if blob is not None else ())])

    async def went_back(self, to: int, why: str) -> None:
        """The client goes on from an earlier place: what lies behind position ``to`` is an abandoned tail."""
        if to < self.state.position:
            await self._take([Heard(e.RunRewound(to, BY_CLIENT, why))])

    async def attached(self, client: str, *, words: str = "", transcript: str = "") -> None:
        """A client's process works in this run from here on."""
        await self._take([Heard(e.ClientAttached(client, words, transcript))])

    async def left(self, why: str) -> None:
        """The client's process has ended, or is gone."""
        talk = self.state.live.conversation
        await self._take([Heard(e.ClientLeft(why, talk.session if talk is not None else ""))])

    async def recorded(self, seconds: float) -> bool:
        """Return when the workspace stands recorded as of the newest main request; False where it doesn't in time."""
        if self.foreign.root is None:
            return True
        until = asyncio.get_running_loop().time() + seconds
        while not self.state.live.fresh:
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or self.state.live.workspace_error:
                return False
            await self._news(left)
        return True

    async def close(self) -> None:
        """End driving in order and give the run back; deeds that still run are put in doubt."""
        drive, work = self._drive, self._work
        if drive is not None and work is not None:
            drive.leave()
            await asyncio.wait((work,), timeout=GRACE_SECONDS)
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
        await self._give_back(ended=drive is None or not drive.loose)

    # -- inside --------------------------------------------------------------------------------------

    def _moved_to(self) -> str:
        root = str(self.foreign.root.resolve()) if self.foreign.root is not None else ""
        return root if self.resumed and root != self.state.root else ""

    async def _begin(self, taken: tuple[Heard, ...], performs: Tools) -> None:
        writer, foreign = self._writer, self.foreign
        rules = foreign.rules(foreign.tools)
        writer.begin(rules.definition, rules.contract, rules.law)
        (row,) = writer.store.rows(self.run)
        root = str(foreign.root.resolve()) if foreign.root is not None else ""
        if root:
            site = self.store.house.site(self.run, root)
            self._workspace = await asyncio.to_thread(place_of, site, writer.store, rules.law)
        work = Work(
            writer,
            tools=performs,
            model=Nobody(),
            children=Nobody(),
            clock=self.clock,
            workspace=self._workspace,
            on_text=None,
        )
        drive = self._drive = Drive(writer, work, self.clock, self, stays=True)
        begins = forked(writer.store, row)
        if begins:
            await drive.take(*begins)
        if self.resumed:
            await drive.take(*self._changed(rules), *bereaved(writer.state), *taken)
        else:
            opened = e.RunOpened(
                agent=foreign.agent,
                definition=rules.definition,
                contract=rules.contract,
                lineage=row.lineage,
                tenant=row.tenant,
                step=STEP,
                root=root,
            )
            await drive.take(Heard(opened, rules.blobs), *taken)
        self._work = asyncio.get_running_loop().create_task(drive.go())
        self._work.add_done_callback(lambda _: self._wake())

    def event(self, kind: str, position: int, words: str) -> None:
        """Whoever waits looks again: an event is on disk."""
        del kind, position, words
        self._wake()

    def text(self, piece: str) -> None:
        """Nothing is said here: no model of ours is asked."""

    async def _take(self, heard: Sequence[Heard]) -> tuple[Event, ...]:
        """Take ``heard`` in; whoever asked for it may go away meanwhile."""
        drive = self._drive
        if drive is None or (self._work is not None and self._work.done()):
            raise self.failure or Broken(f"{self.run} is not driven any more")
        if not heard:
            return ()
        task = asyncio.get_running_loop().create_task(drive.take(*heard))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        events = await asyncio.shield(task)
        drive.poke()
        return events

    def _changed(self, rules: Rules, source: str = "resume") -> tuple[Heard, ...]:
        if (self.state.definition, self.state.contract) == (rules.definition, rules.contract):
            return ()
        self._writer.begin(rules.definition, rules.contract, rules.law)
        return (Heard(e.ContractAdopted(rules.contract, rules.definition, source), rules.blobs),)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def _news(self, seconds: float | None) -> None:
        """Return when something has happened, or after ``seconds``. Raises what ended the driving."""
        if self._work is not None and self._work.done():
            raise self.failure or Broken(f"{self.run} is not driven any more")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await asyncio.wait((waiter,), timeout=seconds)

    async def _give_back(self, *, ended: bool) -> None:
        while self._taking:
            await asyncio.wait(tuple(self._taking))
        await self.scribe.all_written()
        if self._workspace is not None:
            await self._workspace.close()
        with suppress(PerdureError):
            # A store that failed can't be told; the next writer finds this process dead.
            await asyncio.to_thread(self._writer.store.release, self.run, self._writer.epoch, ended=ended)


def _check(state: State, foreign: Foreign) -> None:
    if state.agent and state.agent != foreign.agent:
        raise AgentChanged(
            f"run {state.run} belongs to {state.agent!r}, not {foreign.agent!r}", hint="give another --run"
        )
