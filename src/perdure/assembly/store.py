"""The front door for plain Python: a store that runs agents in a thread of its own.

Invariants:
- Every method that returns has its change durable on disk.
- Closing ends driving in order: tools that still run are put in doubt, never forgotten.
"""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.family import Watcher
from perdure.assembly.blocking import result_of, until_set
from perdure.assembly.clock import SystemClock
from perdure.assembly.files import going_back
from perdure.assembly.files.history import FileHistory
from perdure.assembly.files.site import scratch_of
from perdure.assembly.house import House
from perdure.assembly.inspect import Inspector, Verified
from perdure.assembly.people import People
from perdure.assembly.run import Run
from perdure.assembly.stores.addresses import Location, address_of
from perdure.assembly.stores.feeding import pages
from perdure.assembly.stores.opening import open_books
from perdure.assembly.submitting import called, handed_back, submit, unpark
from perdure.assembly.winding_up import all_ended
from perdure.checkpoint.tree import spelled
from perdure.driver.books import Books, missing, name_for, read_state
from perdure.driver.port import Clock, Progress
from perdure.driver.writer import Heard
from perdure.log.envelope import Event
from perdure.log.feed import FeedPage
from perdure.log.port import BlobStore, RunRow
from perdure.projection.state import Effect, State
from perdure.replay.redo import Replayed
from perdure.replay.travel import Change
from perdure.values.digest import Json
from perdure.values.errors import Held, NoUndo
from perdure.values.limits import STORE_THREADS

T = TypeVar("T")


class Store:
    """Runs of one directory; make one with ``perdure.open``."""

    def __init__(
        self,
        books: Books,
        close: Callable[[], None],
        clock: Clock | None = None,
        scratch: Path | None = None,
        location: Path | None = None,
        *,
        far: bool = False,
    ) -> None:
        """Serve ``books`` and call ``close`` at the end; ``scratch`` is where runs may write beside workspaces.

        ``location`` is the directory of the store, which no workspace may hold. With ``far`` asking it takes its time:
        that is done in threads, where it holds up no other run.
        """
        self.books: Books = books
        self._close_books: Callable[[], None] = close
        self._loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._clock: Clock = clock or SystemClock()
        scratch = scratch or scratch_of(Path())
        self._threads: Executor | None = ThreadPoolExecutor(STORE_THREADS, "perdure-store") if far else None
        self.house: House = House(
            books, self._clock, scratch=scratch, location=location, threads=self._threads
        )
        self._going_back: going_back.GoingBack = going_back.GoingBack(books, scratch)
        self.files: FileHistory = FileHistory(books)
        self.people: People = People(books, self._clock.now, lambda: uuid.uuid4().hex)
        self.inspector: Inspector = Inspector(books)
        self._runs: list[Run] = []

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def start(
        self,
        agent: Agent,
        message: str,
        *,
        run: str | None = None,
        tenant: str = "default",
        on_text: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> Run:
        """Begin a run and return it; it is driven until it rests. ``wait`` or ``finish`` it.

        ``on_text`` is given pieces of the model's text as they come. Raises ``RunExists``,
        ``BadName``, ``BadContract``, ``StoreReadOnly`` before anything is written.
        """
        name = name_for(self.books, run or f"{agent.name}-{uuid.uuid4().hex[:8]}", tenant)
        watcher = Watcher(progress, on_text)
        agent.rules()
        return self._driven(
            name,
            lambda begun: self.house.start(
                agent, message, run=name, tenant=tenant, watcher=watcher, begun=begun
            ),
        )

    def submit(self, agent: str, message: str, *, run: str | None = None, tenant: str = "default") -> Run:
        """Have workers begin a run of the agent called ``agent``, and return it; it is durable, and not driven here.

        Raises ``RunExists``, ``BadName``, ``BadInput`` if workers can't share this store.
        """
        name = run or f"{agent}-{uuid.uuid4().hex[:8]}"
        made = submit(self.books, agent, message, run=name, tenant=tenant, now=self._clock.now())
        return Run(self, made, None)

    def unpark(self, run: str, *, by: str = "operator") -> None:
        """Let workers drive a run again that they have parked. Raises ``NotPlaced`` if it isn't theirs."""
        unpark(self.books, run, by=by, now=self._clock.now(), name=uuid.uuid4().hex)

    def resume(
        self,
        agent: Agent,
        run: str,
        *,
        take_over: bool = False,
        on_text: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> Run:
        """Go on with a run, or begin one that was submitted. Raises ``Held`` if a live process has it, unless ``take_over``.

        If workers drive it as a rule, they are called when it rests.
        """
        watcher = Watcher(progress, on_text)
        return self._driven(
            run,
            lambda begun: handed_back(
                self.books,
                run,
                lambda: self.house.resume(agent, run, take_over=take_over, watcher=watcher, begun=begun),
                agent=agent.name,
                now=self._clock.now(),
            ),
        )

    @property
    def blobs(self) -> BlobStore:
        """Where content is read from."""
        return self.books

    def run(self, name: str) -> Run:
        """Return a run to look at and to talk to, without driving it. Raises ``UnknownRun``."""
        self.inspector.row(name)
        return Run(self, name, None)

    def runs(self, *, newest: int | None = None) -> tuple[RunRow, ...]:
        """Return all runs, oldest first, or the ``newest`` so many; those of shards that are ``missing`` are left out."""
        return tuple(self.books.rows(newest=newest))

    def missing(self) -> tuple[str, ...]:
        """Return the shards of the store that couldn't be reached when they were last asked."""
        return tuple(missing(self.books))

    def feed(
        self, after: str | None = None, *, reader: str | None = None, follow: bool = False
    ) -> Iterator[FeedPage]:
        """Yield what is new in all runs, in one order, until there is nothing more; ``follow`` waits for more.

        ``after`` is a page's cursor. A ``reader`` is remembered by the store: it has done with a page when it asks for the
        next, and gets again what it had not.
        """
        return pages(self.books, after, reader=reader, follow=follow)

    def fork(
        self,
        source: str,
        /,
        *,
        at: int,
        run: str | None = None,
        why: str = "",
        workspace: str | Path | None = None,
    ) -> Run:
        """Make a new run that begins as ``source`` up to position ``at``; ``resume`` drives it.

        Its lineage's receipts go along as fences. Its files get a directory of their own: ``workspace``, or
        one beside its parent's. Raises ``BadPosition``, ``RunExists``, ``BadInput`` if something is there.
        """
        name = run or f"{source}-{uuid.uuid4().hex[:8]}"
        name = name_for(self.books, name, self.inspector.row(source).tenant)
        root = str(Path(workspace).absolute()) if workspace is not None else ""
        self.call(self.house.fork(source, at=at, new=name, why=why, root=root))
        return Run(self, name, None)

    def rewind(
        self,
        run: str,
        *,
        to: int,
        by: str = "operator",
        why: str = "",
        files: bool = True,
        foreign: going_back.Foreign = "refuse",
        session: str = "",
    ) -> State:
        """Take ``run`` back to position ``to`` and return its state; the world's memory stays.

        With ``files`` its workspace goes back as well; what is there now is recorded first. ``foreign`` says
        what becomes of paths that nobody's tool has changed last: raise ``RestoreRefused``, keep them as they
        are, or put them back, too. ``session`` is what a foreign client goes on with.
        """
        keep: tuple[str, ...] = ()
        if files:
            self.record_present(run)
            way = self.way_back(run, to)
            if way is not None and way.foreign:
                if foreign == "refuse":
                    raise going_back.refused_for(run, way)
                keep = tuple(map(spelled, way.foreign)) if foreign == "keep" else ()
        self.people.rewind(run, to, by=by, why=why, files=files, keep=keep, session=session)
        return self._told(run)

    def way_back(self, run: str, to: int, keep: Sequence[str] = ()) -> going_back.Way | None:
        """Return what a rewind to ``to`` would do to the files but those in ``keep``; None if none were recorded.

        Nothing is touched.
        """
        return self._going_back.way(run, to, keep)

    def reversal(self, run: str, position: int) -> going_back.Reversal | going_back.Collided | None:
        """Return what taking back the change of files at ``position`` would do; None if it is no such change.

        Raises ``NoUndo`` with the reason where it can't be taken back by itself.
        """
        return self._going_back.reversal(run, position)

    def take_back(self, run: str, reversal: going_back.Reversal, *, by: str = "operator") -> State:
        """The change of files is taken back, what came after it stays, and the model is told.

        Raises ``Held`` if somebody drives the run.
        """
        self.record_present(run)
        self.call(self.house.attend(run, then=(Heard(going_back.reverted(reversal, by)),)))
        return self.state(run)

    def record_present(self, run: str) -> None:
        """What stands in the workspace is recorded; if somebody drives the run, its driver does that."""
        facts = self._going_back.present(run)
        if facts:
            with contextlib.suppress(Held):
                self.call(self.house.attend(run, then=facts))

    def message(self, run: str, text: str, *, sender: str = "user", name: str | None = None) -> State:
        """Say something to the model of ``run``; a ``name`` that was used before says nothing anew."""
        self.people.message(run, text, sender=sender, name=name)
        return self._told(run)

    def approve(self, run: str, approval: str, *, by: str = "operator", note: str = "") -> State:
        """Allow exactly what ``approval`` asks."""
        self.people.approve(run, approval, by=by, note=note)
        return self._told(run)

    def deny(self, run: str, approval: str, *, by: str = "operator", note: str = "") -> State:
        """Forbid what ``approval`` asks."""
        self.people.deny(run, approval, by=by, note=note)
        return self._told(run)

    def settle(
        self,
        run: str,
        key: str,
        outcome: str,
        *,
        result: Json = None,
        by: str = "operator",
        note: str = "",
    ) -> State:
        """Say how an effect in doubt ended: 'succeeded', 'failed' or 'retry'."""
        self.people.settle(run, key, outcome, by=by, result=result, note=note)
        return self._told(run)

    def cancel(self, run: str, *, by: str = "operator", why: str = "") -> State:
        """End ``run``; what is under way is put in doubt."""
        self.people.cancel(run, by=by, why=why)
        return self._told(run)

    def revertible(self, run: str, position: int) -> tuple[Effect, tuple[Effect, ...]]:
        """Return the effect that ``revert`` would undo, and what came to depend on it; nothing is told.

        Raises ``NoUndo`` with the reason where it can't be undone.
        """
        found = self.people.revertible(run, position)
        effect = found[0]
        declaration = self.inspector.law(self.state(run)).definition.tool(effect.tool)
        if declaration is None or not declaration.undoes:
            raise NoUndo(f"the tool {effect.tool!r} declares no undo")
        return found

    def revert(self, run: str, position: int, *, by: str = "operator") -> tuple[Effect, tuple[Effect, ...]]:
        """Undo one effect; ``resume`` carries it out. Returns it and what came to depend on it."""
        found = self.revertible(run, position)
        self.people.revert(run, position, by=by)
        self._told(run)
        return found

    def look_for_drift(self, agent: Agent, run: str) -> tuple[str, ...]:
        """Let the tools' checks look whether the world still is as the receipts say; record what isn't.

        Returns what was found, in words; the model is told at its next turn.
        """
        return tuple(found.text for found in self.call(self.house.look_for_drift(agent, run)))

    def state(self, run: str, at: int | None = None) -> State:
        """Return the projection of ``run`` at position ``at``, or at its end."""
        return read_state(self.books, run, at).state

    def events(self, run: str, after: int = 0) -> Iterator[Event]:
        """Yield the run's events past position ``after``."""
        return self.inspector.events(run, after)

    def diff(self, run: str, before: int, after: int) -> tuple[Change, ...]:
        """Return what distinguishes the state at ``after`` from the state at ``before``."""
        return self.inspector.diff(run, before, after)

    def verify(self, run: str, *, head: str | None = None) -> Verified:
        """Check chain, gaps, folds, blobs, and (with ``head``) that it extends a remembered head."""
        return self.inspector.verify(run, head=head)

    def replay(self, run: str) -> Replayed:
        """Decide the whole run again and compare with what was recorded."""
        return self.inspector.replay(run)

    def close(self) -> None:
        """End driving in order, and close the store; a closed store is closed again without harm."""
        if self._thread is not None:
            for run in self._runs:
                run.let_go()
            self.call(all_ended())
            self.call(self.house.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
        if not self._loop.is_closed():
            self._loop.close()
            if self._threads is not None:
                self._threads.shutdown()
            self._close_books()

    def call(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` in the store's loop and return its result."""
        return result_of(asyncio.run_coroutine_threadsafe(work, self._running()))

    def _told(self, run: str) -> State:
        if not self.call(called(self.books, run)):
            self.call(self.house.nudge(run))
        return self.state(run)

    def _driven(
        self, name: str, work: Callable[[Callable[[], None]], Coroutine[object, object, State]]
    ) -> Run:
        begun = threading.Event()
        future = asyncio.run_coroutine_threadsafe(work(begun.set), self._running())
        future.add_done_callback(lambda _: begun.set())
        until_set(begun)
        if future.done():
            future.result()
        self._runs.append(run := Run(self, name, future))
        return run

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop.run_forever, name="perdure", daemon=True)
            self._thread.start()
        return self._loop


def open_store(location: Location, *, create: bool = True) -> Store:
    """Open the store at ``location``; it is made if it isn't there and ``create`` says so.

    A location is a directory, ``postgresql://...``, or a ``.toml`` file that describes a store. Raises
    ``StoreNewer``, ``StoreDamaged``, ``BadInput`` or ``BadAddress`` for a location that can't be a store.
    """
    address = address_of(location)
    books, close, scratch, found = open_books(address, create=create)
    return Store(books, close, scratch=scratch, location=found, far=address.kind != "directory")
