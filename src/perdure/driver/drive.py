"""The loop: take facts in, do what is wanted, until nothing more can be done without someone.

Invariants:
- At most one task per request; a request that the state no longer wants is ended.
- A task's facts are taken in whole or not at all; a task never touches the state.
- A tool that isn't wanted any more has a time of grace; if it is ended, its effect is put in doubt.
- ``loose`` is set where something may go on sending after the driving has ended.
"""

import asyncio
from collections.abc import Callable, Generator, Sequence

import msgspec

from perdure.driver.books import Books
from perdure.driver.port import Auditor, Clock, Progress
from perdure.driver.work import Work, cancelled
from perdure.driver.writer import Heard, RunWriter
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.log.port import Post
from perdure.orchestrator.wanted import (
    Alarm,
    AskModel,
    Checkpoint,
    Perform,
    Poll,
    Request,
    RestoreTree,
    RunChild,
    wanted,
)
from perdure.projection.state import State
from perdure.values.errors import StoreDamaged
from perdure.values.limits import GRACE_SECONDS, INBOX_TAKEN_BYTES_MAX, INBOX_TAKEN_MAX, WORKER_PARKS_NS

INBOX_SECONDS = 0.25
"""Between looks into the inbox for what other processes posted: below what a person notices."""

POLL_SECONDS = 2.0
"""How long a run that parks stays for the first answer of a poll."""

POSTABLE = (
    "message.received",
    "note.made",
    "approval.granted",
    "approval.denied",
    "effect.settled",
    "effect.reconciled",
    "run.rewound",
    "run.closed",
    "change.reverted",
    "checkpoint.pinned",
    "checkpoint.released",
    "paging.set",
)
"""Kinds that people and webhooks may post; all else is the driver's or a decision."""

_Task = asyncio.Task[tuple[Heard, ...]]


class Drive:
    """One run being driven by one writer."""

    def __init__(
        self,
        writer: RunWriter,
        work: Work,
        clock: Clock,
        progress: Progress | None,
        *,
        stays: bool = False,
        parks: bool = False,
    ) -> None:
        """Drive the run of ``writer``, doing its work with ``work``; with ``stays``, until it is told to ``leave``.

        With ``parks`` it also rests where it only waits for a time to come, or asks after something now and then.
        """
        self._stays: bool = stays
        self._parks: bool = parks
        self._leaves: bool = False
        self._winds_up: bool = False
        self._writer: RunWriter = writer
        self._work: Work = work
        self._clock: Clock = clock
        self._progress: Progress | None = progress
        self._auditor: Auditor | None = progress if isinstance(progress, Auditor) else None
        self._tasks: dict[Request, _Task] = {}
        self._held: dict[Request, tuple[Heard, ...]] = {}
        self._arrived: asyncio.Queue[Request | None] = asyncio.Queue()
        self._store: Books = writer.store
        self._asked_once: set[Request] = set()
        self.loose: bool = False

    @property
    def state(self) -> State:
        """The state as of the last durable event."""
        return self._writer.state

    def poke(self) -> None:
        """Look into the inbox soon."""
        self._arrived.put_nowait(None)

    def leave(self) -> None:
        """Stop as soon as nothing is under way that ends by itself soon."""
        self._stays, self._leaves = False, True
        self.poke()

    def wind_up(self) -> None:
        """Begin nothing more but what is promised already, and stop when what is under way has ended."""
        self._winds_up = True
        self.leave()

    async def take(self, *heard: Heard) -> tuple[Event, ...]:
        """Take facts in, and tell who watches."""
        self.loose |= any(isinstance(each.body, e.EffectDoubted) and not each.body.ended for each in heard)
        events = await self._writer.take(heard)
        if self._auditor is not None:
            self._auditor.durable(events, self.state)
        if self._progress is not None:
            for event in events:
                self._progress.event(event.kind, event.position, _words(event))
        return events

    async def go(self) -> State:
        """Drive until the run is closed and settled, or waits for a person; return its state."""
        ear = asyncio.create_task(self._listen())
        try:
            await self._hear_posts()
            while True:
                await self._begin_and_end()
                if self._held and not self._asking():
                    await self.take(*self._released())
                elif not self._still():
                    await self._next()
                elif await self._hear_posts():
                    continue
                elif self._stays:
                    await self._next()
                else:
                    return self.state
        except asyncio.CancelledError:
            for request in tuple(self._tasks):
                if isinstance(request, Perform):
                    await self._end(request)
            raise
        finally:
            ear.cancel()
            await self._end_all()

    def _still(self) -> bool:
        if self._winds_up:
            return not self._busy() and not any(isinstance(each, RunChild) for each in self._tasks)
        waits = self._leaves or (self.state.status == "waiting" and self.state.needs_person)
        return not self._tasks or (waits and not self._busy()) or (self._parks and self._only_waits())

    def _only_waits(self) -> bool:
        """Whether all that is under way will be the same in a while, and could be begun anew then."""
        now = self._clock.now()
        for request in self._tasks:
            match request:
                case Poll(key):
                    effect = self.state.world.open.get(key)
                    if request not in self._asked_once or effect is None or effect.poll_ns < WORKER_PARKS_NS:
                        return False
                case Alarm(due=due) if due > now + WORKER_PARKS_NS:
                    continue
                case _:
                    return False
        return True

    def _busy(self) -> bool:
        """Whether a task is under way that ends by itself soon: not a poll, a child, or a time to come."""
        now = self._clock.now()
        for request in self._tasks:
            match request:
                case Poll() | RunChild():
                    continue
                case Alarm(due=due) if due > now:
                    continue
                case _:
                    return True
        return False

    async def _next(self) -> None:
        """Wait for something to arrive and take in all that has."""
        requests = [await self._arrived.get()]
        while not self._arrived.empty():
            requests.append(self._arrived.get_nowait())
        heard: list[Heard] = []
        for request in requests:
            task = self._tasks.get(request) if request is not None else None
            if request is None or task is None:
                continue
            facts = () if task.cancelled() else task.result()
            if self._can_wait(request, facts):
                self._held[request] = facts
                continue
            self._tasks.pop(request)
            if not self._winds_up or not isinstance(request, RunChild) or _ended(facts):
                heard += facts
        if heard:
            await self.take(*self._released(), *heard)
        if None in requests:
            await self._hear_posts()

    def _can_wait(self, request: Request, facts: tuple[Heard, ...]) -> bool:
        """That nothing has changed is worth no commit of its own while the model thinks: its reply takes it along."""
        if not isinstance(request, Checkpoint) or not self._asking():
            return False
        return all(isinstance(each.body, e.CheckpointSkipped) for each in facts)

    def _released(self) -> tuple[Heard, ...]:
        """Return the facts that waited for company."""
        held, self._held = self._held, {}
        for request in held:
            self._tasks.pop(request, None)
        return tuple(each for facts in held.values() for each in facts)

    async def _hear_posts(self) -> bool:
        """Take the inbox in; tell whether there was anything in it."""
        posts = self._store.inbox(self._writer.run)
        for some in portions(posts):
            await self.take(*self._released(), *(heard_post(post) for post in some))
        return bool(posts)

    async def _listen(self) -> None:
        while True:
            await asyncio.sleep(INBOX_SECONDS)
            if self._store.has_post(self._writer.run):
                self.poke()

    async def _begin_and_end(self) -> None:
        """End what is under way and not wanted; then begin what is wanted and not under way."""
        requests = wanted(self.state, self._writer.law)
        while stale := next((known for known in self._tasks if known not in requests), None):
            await self._end(stale)
            requests = wanted(self.state, self._writer.law)
        for request in requests:
            if request not in self._tasks and (
                not self._winds_up or isinstance(request, Perform | RestoreTree)
            ):
                task = asyncio.create_task(self._work.carry_out(request))
                self._tasks[request] = task
                task.add_done_callback(self._arrival(request))
                if self._parks and isinstance(request, Poll):
                    # the first question of a poll is asked and answered by then, or it is asked again later
                    asyncio.get_running_loop().call_later(POLL_SECONDS, self._asked, request)
        if any(isinstance(each, Checkpoint) for each in self._tasks) and not self._asking():
            self._work.hurry()

    def _asked(self, request: Request) -> None:
        self._asked_once.add(request)
        self.poke()

    def _asking(self) -> bool:
        return any(isinstance(each, AskModel) for each in self._tasks)

    def _arrival(self, request: Request) -> Callable[[_Task], None]:
        def arrived(task: _Task) -> None:
            if self._tasks.get(request) is task:
                self._arrived.put_nowait(request)

        return arrived

    async def _end(self, request: Request) -> None:
        """End a task. A deed may finish within a time of grace; else its effect is put in doubt."""
        task = self._tasks.pop(request)
        self._held.pop(request, None)
        if isinstance(request, Perform):
            await asyncio.wait([task], timeout=GRACE_SECONDS)
            if task.done():
                await self.take(*task.result())
                return
        await cancelled(task)
        if isinstance(request, Perform):
            effect = self.state.world.open.get(request.key)
            if effect is not None and effect.phase == "started" and effect.send == request.send:
                await self.take(Heard(e.EffectDoubted(request.key, "it was ended", ended=False)))

    async def _end_all(self) -> None:
        tasks, self._tasks = self._tasks, {}
        self.loose |= any(isinstance(request, Perform) for request in tasks)
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values())


def _ended(facts: tuple[Heard, ...]) -> bool:
    """Whether a child that was told to stop had come to its end by then."""
    return not any(isinstance(each.body, e.ChildFinished) and each.body.status == "waiting" for each in facts)


def portions(posts: Sequence[Post]) -> Generator[Sequence[Post]]:
    """Yield ``posts`` in their order, as many at once as one batch takes in: any number of them may have come."""
    first = size = 0
    for place, post in enumerate(posts):
        size += len(post.body)
        if place > first and (size > INBOX_TAKEN_BYTES_MAX or place - first >= INBOX_TAKEN_MAX):
            yield posts[first:place]
            first, size = place, len(post.body)
    if posts:
        yield posts[first:]


def first_of(posts: Sequence[Post]) -> Sequence[Post]:
    """Return as many of the oldest posts as one batch takes in."""
    return next(portions(posts), ())


def heard_post(post: Post) -> Heard:
    """Return the fact that ``post`` carries.

    Posts are checked when they are made, so one that can't be read was not made by perdure: it
    raises ``StoreDamaged``.
    """
    if post.kind not in POSTABLE:
        raise StoreDamaged(f"the post {post.id!r} in the inbox is a {post.kind!r}, which nobody may post")
    body = msgspec.json.decode(post.body, type=e.KINDS[post.kind])
    return Heard(body, post=post.id)


def _words(event: Event) -> str:
    match event.body:
        case e.EffectStarted(tool=tool, what=what, send=send):
            return f"{tool} {what}".strip() + (f" (request {send})" if send > 1 else "")
        case e.IntentionProposed(tool=tool):
            return tool
        case e.IntentionRefused(reason=reason):
            return reason
        case e.EffectSettled(outcome=outcome, error=error):
            return f"{outcome} {error}".strip()
        case e.EffectDoubted(why=why):
            return why
        case e.RunSuspended(text=text):
            return text
        case e.RunClosed(status=status, why=why):
            return f"{status} {why}".strip()
        case e.ModelRequested(turn=turn, attempt=attempt):
            return f"turn {turn}" + (f", attempt {attempt}" if attempt > 1 else "")
        case _:
            return ""
