"""The driver's ports, each call of which the program may die at.

What is wrapped is the real thing: a store, a model, tools. Beside passing the moments these take
down what only they can see: what the store acknowledged, what the model was shown, what tools said.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from perdure.assembly.agents.ports import OpenedWorkspace
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.driver.books import Books
from perdure.driver.port import Deed, Finding, Model, Outcome, Tools
from perdure.intention.reply import Reply
from perdure.log.envelope import Stored, peek
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.port import Appended, Batch, Holder, Lease, NewRun, Post, Remembered, RunRow
from perdure.testing.moments import Life
from perdure.testing.simclock import SimClock
from perdure.testing.witness import Witness
from perdure.wire.prompt import Prompt

T = TypeVar("T")


def kinds_of(batch: Batch) -> str:
    """Return the kinds of a batch's events in a line."""
    return " ".join(peek(stored).kind for stored in batch.events)


class MortalStore:
    """A store whose caller may die before and after each call."""

    def __init__(self, store: Books, life: Life, witness: Witness) -> None:
        """Pass calls on to ``store``, and tell ``witness`` what it acknowledged."""
        self._store: Books = store
        self._life: Life = life
        self._witness: Witness = witness

    def _pass(self, port: str, words: str, work: Callable[[], T], *, changes: bool = False) -> T:
        self._life.moment(f"store.{port}", "before", lambda: words)
        found = work()
        if changes:
            self._life.course.changed()
        self._life.moment(f"store.{port}", "after", lambda: words)
        return found

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        """Append, and wait: the moment after it is one in which the batch is durable."""
        self._life.moment("store.append", "before", lambda: kinds_of(batch))
        answer = self._store.append(batch)
        wait((answer,))
        if answer.exception() is None and isinstance(answer.result(), Appended):
            self._witness.acknowledged(batch.events)
            self._life.course.changed()
        self._life.moment("store.append", "after", lambda: kinds_of(batch))
        return answer

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        """Read events."""
        return self._pass("read", f"{run} past {after}", lambda: self._store.read(run, after, limit))

    def watch(self, after: int, timeout: float) -> int:
        """Wait for a change."""
        return self._pass("watch", "", lambda: self._store.watch(after, timeout))

    def post(self, run: str, post: Post) -> bool:
        """Post an input."""
        return self._pass("post", post.kind, lambda: self._store.post(run, post), changes=True)

    def inbox(self, run: str) -> Sequence[Post]:
        """Look into the inbox."""
        return self._pass("inbox", run, lambda: self._store.inbox(run))

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        """List runs."""
        return self._pass("rows", run or "", lambda: self._store.rows(run, lineage=lineage, newest=newest))

    def create(self, new: NewRun) -> bool:
        """Make a run."""
        return self._pass("create", new.run, lambda: self._store.create(new), changes=True)

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        """Take a run."""
        return self._pass(
            "acquire", run, lambda: self._store.acquire(run, holder, take_over=take_over), changes=True
        )

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        """Give a run back."""
        self._pass("release", run, lambda: self._store.release(run, epoch, ended=ended), changes=True)

    def has_post(self, run: str) -> bool:
        """Ask whether to look into the inbox."""
        return self._pass("has_post", run, lambda: self._store.has_post(run))

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        """Read claims."""
        return self._pass("claims", scope or "", lambda: self._store.claims(stem=stem, scope=scope))

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        """Read counters."""
        return self._pass("counters", "", lambda: self._store.counters(names))

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        """Read a blob."""
        return self._pass("get", digest[:12], lambda: self._store.get(digest, start, size))

    def put(self, digest: str, content: bytes) -> None:
        """Store a blob."""
        self._pass("put", digest[:12], lambda: self._store.put(digest, content), changes=True)

    def has(self, digest: str) -> bool:
        """Look for a blob."""
        return self._pass("has", digest[:12], lambda: self._store.has(digest))

    def flush(self) -> None:
        """Make what was put durable."""
        self._pass("flush", "", self._store.flush, changes=True)

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        """Keep a snapshot."""
        words = f"{run} at {position}"
        self._pass("save", words, lambda: self._store.save(run, position, manifest, chunks), changes=True)

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        """Find a snapshot."""
        return self._pass("latest", run, lambda: self._store.latest(run, at_most))

    def chunk(self, digest: str) -> bytes | None:
        """Read a part of a snapshot."""
        return self._pass("chunk", digest[:12], lambda: self._store.chunk(digest))


class MortalModel:
    """A model whose asker may die before it is asked and after it has answered."""

    def __init__(self, model: Model, life: Life, witness: Witness) -> None:
        """Pass questions on to ``model``."""
        self._model: Model = model
        self._life: Life = life
        self._witness: Witness = witness

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Ask, and let the witness see what was shown."""
        self._life.moment("model.ask", "before", lambda: key)
        self._witness.shown(prompt, key)
        reply = await self._model.ask(prompt, key=key, on_text=on_text, timeout=timeout)
        self._life.moment("model.ask", "after", lambda: ", ".join(each.tool for each in reply.calls))
        return reply


class MortalTools:
    """Tools whose caller may die before and after each call; the world's own moments lie inside."""

    def __init__(self, tools: Tools, life: Life, witness: Witness, threaded: Callable[[str], bool]) -> None:
        """Pass calls on to ``tools``; ``threaded`` tells which of them run in threads."""
        self._tools: Tools = tools
        self._life: Life = life
        self._witness: Witness = witness
        self._threaded: Callable[[str], bool] = threaded

    async def perform(self, deed: Deed) -> Outcome:
        """Do the deed."""
        self._life.moment("tools.perform", "before", lambda: words_of(deed))
        try:
            async with self._life.loop.thread_at_work(threaded=self._threaded(deed.tool)):
                outcome = await self._tools.perform(deed)
        except asyncio.CancelledError:
            self._witness.let_go.add(deed.key)
            raise
        self._witness.performed(deed, outcome)
        self._life.course.changed()
        self._life.moment("tools.perform", "after", lambda: f"{deed.tool}: {type(outcome).__name__}")
        return outcome

    async def look(self, deed: Deed) -> Finding:
        """Find out whether the deed happened."""
        self._life.moment("tools.look", "before", lambda: words_of(deed))
        async with self._life.loop.thread_at_work(threaded=self._threaded(deed.tool)):
            finding = await self._tools.look(deed)
        self._witness.looked(deed, finding)
        self._life.course.changed()
        self._life.moment("tools.look", "after", lambda: f"{deed.tool}: {finding.verdict}")
        return finding

    async def poll(self, deed: Deed) -> Outcome:
        """Ask after a pending operation."""
        self._life.moment("tools.poll", "before", lambda: words_of(deed))
        async with self._life.loop.thread_at_work(threaded=self._threaded(deed.tool)):
            outcome = await self._tools.poll(deed)
        self._life.course.changed()
        self._life.moment("tools.poll", "after", lambda: f"{deed.tool}: {type(outcome).__name__}")
        return outcome


class MortalWorkspace:
    """A workspace whose keeper may die before and after it is recorded or put back."""

    def __init__(self, workspace: OpenedWorkspace, life: Life) -> None:
        """Pass calls on to ``workspace``."""
        self._workspace: OpenedWorkspace = workspace
        self._life: Life = life

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Record it."""
        self._life.moment("workspace.record", "before", str)
        found = at_once(self._workspace.record(known, image, windows))
        self._life.moment("workspace.record", "after", lambda: f"{found.what}, {found.files} files")
        return found

    def hurry(self) -> None:
        """Somebody waits for it."""
        self._workspace.hurry()

    async def close(self) -> None:
        """Let it go."""
        await self._workspace.close()

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Put it back."""
        self._life.moment("workspace.restore", "before", str)
        found = at_once(self._workspace.restore(tree, image, keep, windows, seen))
        self._life.course.changed()
        self._life.moment("workspace.restore", "after", str)
        return found


class MortalClock:
    """A clock whose reader may die while it waits."""

    def __init__(self, clock: SimClock, life: Life) -> None:
        """Tell the time of ``clock``."""
        self._clock: SimClock = clock
        self._life: Life = life

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        return self._clock.now()

    async def until(self, due: int) -> None:
        """Return when ``now()`` is at least ``due``."""
        self._life.moment("clock.until", "before", str)
        await self._clock.until(due)
        self._life.moment("clock.until", "after", str)


def at_once(work: Coroutine[object, object, T]) -> T:
    """Return what ``work`` returns, done in a loop of its own: how long its threads take changes no history."""
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(context.run, asyncio.run, work).result()


def words_of(deed: Deed) -> str:
    """Return a deed in a few words."""
    told = " ".join(f"{name}={value}" for name, value in deed.arguments.items())
    return f"{deed.tool} {told} ({deed.key[:8]}, request {deed.send})"
