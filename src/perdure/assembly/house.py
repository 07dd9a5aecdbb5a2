"""A running house: a store, a clock, and the runs that are driven in this process.

Invariants:
- A run is driven under a lease only, and the lease is given back when the driving ends in order.
- Everything that is told to a run goes through its inbox or through a fact of its driver.
- Nothing here is remembered that the log doesn't hold.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from perdure.adapters.holders import this_holder
from perdure.adapters.workspace.export import refuse_taken
from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.beginnings import (
    BEGIN,
    acquired,
    bereaved,
    bereft,
    beside,
    displaced,
    forked,
    opened_by,
    root_of,
    still_begins,
)
from perdure.assembly.agents.family import NOBODY, Family, Going, Watcher, taken
from perdure.assembly.agents.pins import adopted_by
from perdure.assembly.agents.ports import MakePorts, OpenWorkspace, place_of, ports_of, toolbox_of
from perdure.assembly.files.lodging import Lodging, begin_as_copy, last_driver
from perdure.assembly.files.site import Site, scratch_of
from perdure.driver.answers import Answers
from perdure.driver.books import Books, arguments_of, read_state, text_of, within
from perdure.driver.drive import Drive, first_of, heard_post
from perdure.driver.files import Files
from perdure.driver.port import Clock, Deed
from perdure.driver.work import Work
from perdure.driver.writer import Heard, RunWriter
from perdure.log import events as e
from perdure.log.port import Appended, Lease, NewRun, Remembered, RunRow
from perdure.orchestrator.draft import content_of
from perdure.orchestrator.wanted import RestoreTree
from perdure.projection.state import State
from perdure.values.errors import BadPosition, Held, PerdureError, RunExists, UnknownRun
from perdure.values.ids import checked_name

T = TypeVar("T")


class House:
    """Drives runs of one store in one event loop."""

    def __init__(
        self,
        store: Books,
        clock: Clock,
        *,
        scratch: Path | None = None,
        location: Path | None = None,
        make_ports: MakePorts = ports_of,
        open_place: OpenWorkspace = place_of,
        name: Callable[[], str] | None = None,
        threads: Executor | None = None,
        lodging: Lodging | None = None,
    ) -> None:
        """Serve ``store`` in ``location``; ``scratch`` is where runs may write beside their workspaces.

        With ``threads`` the store is far away: what may take long is asked there. With
        ``lodging`` runs come from other hosts, and their files are brought here. ``make_ports``, ``open_place`` and ``name`` (of writers) are for simulations.
        """
        self.store: Books = store
        self.clock: Clock = clock
        self._scratch: Path = scratch or scratch_of(Path())
        self._location: Path | None = location
        self._make_ports: MakePorts = make_ports
        self._open_place: OpenWorkspace = open_place
        self._name: Callable[[], str] = name or (lambda: uuid.uuid4().hex)
        self._drives: dict[str, Drive] = {}
        self._agents: set[Agent] = set()
        self._owners: dict[str, str] = {}
        self._answers: dict[asyncio.AbstractEventLoop, Answers[Appended | Remembered]] = {}
        self._threads: Executor | None = threads
        self._lodging: Lodging | None = lodging
        self._winding_up: bool = False
        self.loose: bool = False
        """whether something of a run that was given back goes on and could still send"""

    async def start(
        self,
        agent: Agent,
        message: str,
        *,
        run: str,
        tenant: str = "default",
        parent: str | None = None,
        depth: int = 0,
        watcher: Watcher = NOBODY,
        begun: Callable[[], None] | None = None,
    ) -> State:
        """Make the run, tell it ``message``, and drive it; return the state in which it rests.

        Raises ``RunExists`` if there is a run of that name, and what appending raises.
        """
        checked_name(run, field="run")
        checked_name(tenant, field="tenant")
        new = NewRun(run, run, tenant, self.clock.now())
        made = await self._apart(lambda: self.store.create(new))
        if not made and read_state(self.store, run).state.position:
            raise RunExists(f"there is a run {run!r} already")
        opened = opened_by(agent, run, tenant, depth=depth, parent=parent)
        text, blob = content_of(message)
        said = Heard(e.MessageReceived("start", "user", text), () if blob is None else (blob,))
        return await self._drive(agent, run, (opened, said), Going(watcher, begun))

    async def resume(
        self,
        agent: Agent,
        run: str,
        *,
        take_over: bool = False,
        watcher: Watcher = NOBODY,
        begun: Callable[[], None] | None = None,
    ) -> State:
        """Go on with the run until it rests; one that was submitted, and has not begun, is begun.

        Raises ``UnknownRun``, ``Held``, or ``AgentChanged`` if the agent lacks a tool that an open
        effect needs.
        """
        self._known(run, begun=not self.store.inbox(run))
        return await self.take_up(agent, run, Going(watcher, begun, take_over))

    async def take_up(self, agent: Agent, run: str, going: Going) -> State:
        """Go on with a run that was made, or begin it, until it rests. Raises as ``resume`` does."""
        row = await self._apart(lambda: self._known(run, begun=False))
        facts = () if row.position or row.parent else (opened_by(agent, run, row.tenant),)
        return await self._drive(agent, run, facts, going)

    def wind_up(self, run: str | None = None) -> None:
        """The run's driving, or all, ends as soon as nothing is under way that was promised."""
        self._winding_up |= run is None
        for name, drive in self._drives.items():
            if run in (None, name):
                drive.wind_up()

    async def fork(self, run: str, *, at: int, new: str, why: str = "", root: str = "") -> State:
        """Make ``new`` as the prefix of ``run`` up to ``at``; nothing is driven. Return its state.

        Its files get a directory of their own: ``root`` (absolute), or one beside its parent's. Raises
        ``BadPosition`` if the run has no such position, ``RunExists`` if the name is taken, ``BadRoot``.
        """
        checked_name(new, field="run")
        row = self._known(run)
        if not 1 <= at <= row.position:
            raise BadPosition(f"{run} has positions 1 to {row.position}, not {at}")
        begins_in = root or beside(read_state(self.store, run).state.root, new)
        if begins_in:
            await asyncio.to_thread(refuse_taken, Path(begins_in))
        made = NewRun(new, row.lineage, row.tenant, self.clock.now(), run, at)
        if not self.store.create(made):
            raise RunExists(f"there is a run {new!r} already")
        begins = forked(self.store, self._known(new), why=why, root=root)
        return await self.attend(new, first=begins)

    async def attend(self, run: str, *, first: tuple[Heard, ...] = (), then: tuple[Heard, ...] = ()) -> State:
        """Take the inbox into the stream of a run that nobody drives, and put its files where they belong.

        ``first`` is what a fork begins with. Raises ``Held`` if somebody drives it.
        """
        state = await self._attend_once(run, first, then)
        with contextlib.suppress(Held):
            while self.store.inbox(run):
                state = await self._attend_once(run, (), ())
        return state

    async def _attend_once(self, run: str, first: tuple[Heard, ...], then: tuple[Heard, ...]) -> State:
        store = within(self.store, run)
        lease = store.acquire(run, this_holder(self._name()))
        try:
            writer = RunWriter(store, run, lease.epoch, self.clock, self._answered())
            posts = tuple(heard_post(post) for post in first_of(store.inbox(run)))
            begins = first or forked(store, store.rows(run)[0])
            lost = bereft(lease, writer.state)
            await writer.take((*begins, *lost, acquired(lease, attends=True), *posts, *then))
            if writer.state.live.put_back is not None and writer.state.root:
                await self._put_back(writer)
            return writer.state
        finally:
            store.release(run, lease.epoch)

    async def _put_back(self, writer: RunWriter) -> None:
        """The files are what a rewind or a fork said; if that fails, whoever drives the run tries again."""
        back = writer.state.live.put_back
        if back is None:
            return
        await asyncio.to_thread(begin_as_copy, writer.store, writer.state)
        site = self.site(writer.run, writer.state.root)
        place = self._open_place(site, writer.store, writer.law)
        try:
            request = RestoreTree(back.tree, back.image, back.keep, f"rewind-{back.position}")
            await writer.take(await Files(writer, place).restore(request))
        finally:
            await place.close()

    def site(self, run: str, root: str) -> Site:
        """Return where ``run`` has its files, in directory ``root``."""
        return Site(run, Path(root), self._scratch / run, self._owners.get(run, run), self._location)

    async def look_for_drift(self, agent: Agent, run: str) -> tuple[e.DriftFound, ...]:
        """Ask the checks of the agent's tools whether what the receipts say is still so; record what isn't.

        Only a run that nobody drives is looked at. Raises ``Held`` otherwise.
        """
        self._known(run)
        state = read_state(self.store, run).state
        toolbox = toolbox_of(agent)
        found: list[e.DriftFound] = []
        for receipt in state.world.receipts.values():
            if receipt.outcome != "succeeded" or receipt.run != run or not receipt.proposed:
                continue
            arguments = arguments_of(self.store, state, receipt)
            deed = Deed(
                run, receipt.key, receipt.tool, arguments, receipt.attempt, receipt.send, receipt.started
            )
            said = await toolbox.check(deed, text_of(self.store, receipt.result) or "null")
            if said:
                found.append(e.DriftFound(receipt.key, said))
        if found:
            await self.attend(run, then=tuple(Heard(each) for each in found))
        return tuple(found)

    def share(self, child: str, parent: str) -> None:
        """The child may work in its parent's directory."""
        self._owners[child] = self._owners.get(parent, parent)

    async def close(self) -> None:
        """Let go of models that were asked from this loop."""
        for agent in self._agents:
            await agent.stop_asking()

    def _answered(self) -> Answers[Appended | Remembered]:
        """Return the way of the store's answers into the running loop, the same for all runs in it."""
        loop = asyncio.get_running_loop()
        if loop not in self._answers:
            self._answers[loop] = Answers(loop)
        return self._answers[loop]

    async def nudge(self, run: str) -> bool:
        """Let a posted input be taken in: by its driver, here or elsewhere, or now if it has none.

        Returns whether it is in the stream already.
        """
        drive = self._drives.get(run)
        if drive is not None:
            drive.poke()
            return False
        try:
            await self.attend(run)
        except Held:
            return False
        return True

    async def _drive(self, agent: Agent, run: str, facts: tuple[Heard, ...], going: Going) -> State:
        """Drive it until it rests, and as long as something was posted while its lease was given back.

        Whoever posted that saw the run held, and left it to us.
        """
        state = await self._drive_once(agent, run, facts, going)
        with contextlib.suppress(Held):
            while not self._winding_up and await self._apart(lambda: self.store.inbox(run)):
                state = await self._drive_once(agent, run, (), going.again())
        return state

    async def _drive_once(self, agent: Agent, run: str, facts: tuple[Heard, ...], going: Going) -> State:
        lease = await self._acquired(run, going)
        drive: Drive | None = None
        opened = contextlib.AsyncExitStack()
        self._answered().writers += 1
        try:
            drive = await self._begin(agent, run, facts, lease, going, opened)
            self._drives[run] = drive
            if self._winding_up:
                drive.wind_up()
            if going.begun is not None:
                going.begun()
            state = await drive.go()
        except BaseException:
            # What went wrong is told; that the lease can't be given back as well (a disk that
            # failed, another writer) is no news.
            with contextlib.suppress(PerdureError):
                await self._give_back(run, lease, drive, opened)
            raise
        await self._give_back(run, lease, drive, opened)
        return state

    async def _acquired(self, run: str, going: Going) -> Lease:
        """Return the lease; one that is granted to a driving that was ended meanwhile is given back."""
        holder = this_holder(self._name())
        if self._threads is None:
            return taken(self.store, run, holder, going)
        granting = asyncio.ensure_future(self._apart(lambda: taken(self.store, run, holder, going)))
        try:
            return await asyncio.shield(granting)
        except asyncio.CancelledError:
            with contextlib.suppress(PerdureError):
                self.store.release(run, (await granting).epoch)
            raise

    async def _apart(self, work: Callable[[], T]) -> T:
        """Do ``work``, which asks the store, where it holds up nobody if the store is far away."""
        if self._threads is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _lodged(
        self, agent: Agent, row: RunRow, writer: RunWriter, begins: tuple[Heard, ...]
    ) -> tuple[str, bool]:
        """Return the run's directory on this host, and whether its files have to be brought there."""
        known, lodging = writer.state.root, self._lodging
        root = root_of(agent, row, known, begins)
        if lodging is None or not root:
            return root, False
        moves = bool(known and writer.state.live.tree) and not lodging.has(
            row.run, known, last_driver(writer.store, row.run, writer.state.position)
        )
        root = lodging.own(row.run) if moves else root
        lodging.moved_in(row.run, root, writer.epoch)
        return root, moves

    async def _give_back(
        self, run: str, lease: Lease, drive: Drive | None, opened: contextlib.AsyncExitStack
    ) -> None:
        self._drives.pop(run, None)
        await opened.aclose()
        self._answered().writers -= 1
        ended = drive is None or not drive.loose
        self.loose |= not ended
        if self._threads is None:
            self.store.release(run, lease.epoch, ended=ended)
        else:
            await asyncio.shield(self._apart(lambda: self.store.release(run, lease.epoch, ended=ended)))

    async def _begin(
        self,
        agent: Agent,
        run: str,
        facts: tuple[Heard, ...],
        lease: Lease,
        going: Going,
        opened: contextlib.AsyncExitStack,
    ) -> Drive:
        rules = agent.rules()
        store, answers, watcher = within(self.store, run), self._answered(), going.watcher
        writer = await self._apart(lambda: RunWriter(store, run, lease.epoch, self.clock, answers))
        writer.begin(rules.definition, rules.contract, rules.law)
        self._agents.add(agent)
        facts = still_begins(writer.state, facts)
        (row,) = await self._apart(lambda: store.rows(run))
        begins = await self._apart(lambda: forked(store, row))
        root, moves = await self._apart(lambda: self._lodged(agent, row, writer, begins))
        ports = self._make_ports(agent, store, self.site(run, root) if root else None)
        if ports.workspace is not None:
            opened.push_async_callback(ports.workspace.close)
        work = Work(
            writer,
            tools=ports.tools,
            model=ports.model,
            children=Family(self, agent, watcher),
            clock=self.clock,
            workspace=ports.workspace,
            on_text=watcher.on_text,
        )
        drive = Drive(writer, work, self.clock, watcher.progress, parks=going.parks)
        if begins:
            await drive.take(*begins)
        lost = bereft(lease, writer.state)
        if facts:
            await drive.take(facts[0], *lost, acquired(lease, attends=False), *facts[1:])
            return drive
        moved = acquired(lease, attends=False, root=root if root != writer.state.root else "")
        changed = adopted_by(going, store, agent, writer.state)
        if changed:
            await drive.take(*changed)
        await drive.take(*(displaced(writer.state) if moves else bereaved(writer.state)), *lost, moved)
        return drive

    def _known(self, run: str, *, begun: bool = True) -> RunRow:
        rows = self.store.rows(run)
        if not rows:
            raise UnknownRun(f"there is no run {run!r} in this store")
        if begun and not (rows[0].position or rows[0].parent):
            raise UnknownRun(f"the run {run!r} has not begun", hint=BEGIN)
        return rows[0]
