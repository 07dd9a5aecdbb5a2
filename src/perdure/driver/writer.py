"""The one writer of a run: facts go in, durable events come out.

Invariants:
- Nothing that a decision allows begins before the decision is durable.
- If the store remembers more than the state does (another run's claim, a shared budget), that is
  written down as ``memory.learned`` first, and the facts are decided again with it.
- A refused or failed append leaves the writer unusable: the state in memory may be ahead.
- What is written ahead (``write``) is decided on a state whose events may still be on their way to the disk; a
  snapshot is only ever made of one whose events have arrived.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from perdure.contract import Law
from perdure.driver.answers import Answers
from perdure.driver.books import Books, Recent, asked_of, read_law, read_state, reply_of
from perdure.driver.port import Clock
from perdure.intention.reply import Call, Reply
from perdure.log import events as e
from perdure.log.envelope import Event, Stored, seal
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.port import Appended, Batch, ClaimClosed, ClaimOpened, CounterMoved, Remembered
from perdure.orchestrator.claims import shared_of
from perdure.orchestrator.draft import Fact, unanswered
from perdure.orchestrator.step import step
from perdure.projection.evolve import evolve
from perdure.projection.snapshot import Freezer
from perdure.projection.state import State
from perdure.values.errors import Broken
from perdure.values.limits import CALLS_PER_REPLY_MAX, SNAPSHOT_EVENTS

_RETRIES_MAX = CALLS_PER_REPLY_MAX + 16
"""Times one batch may learn of rivals before this is taken for a fault: each teaches it of one call more of
a reply, all of which another run may have done."""


class Heard(NamedTuple):
    """A fact as it reached the driver, with what has to be stored beside it."""

    body: e.Body
    blobs: tuple[tuple[str, bytes], ...] = ()
    reply: Reply | None = None
    """in full, for ``model.replied``"""
    post: str = ""
    """the inbox post that it comes from"""
    call: Call | None = None
    """in full, for ``call.received``"""


class _Draft(NamedTuple):
    state: State
    events: tuple[Event, ...]
    blobs: tuple[tuple[str, bytes], ...]
    opened: tuple[ClaimOpened, ...]
    closed: tuple[ClaimClosed, ...]
    counters: tuple[CounterMoved, ...]
    posts: tuple[str, ...]
    asked: dict[str, Call]


class RunWriter:
    """The state of a run and the right to extend its stream."""

    def __init__(
        self, store: Books, run: str, epoch: int, clock: Clock, answers: Answers[Appended | Remembered]
    ) -> None:
        """Take up the run where its stream ends; ``epoch`` is the lease's.

        ``answers`` leads into the loop in which ``take`` is awaited.
        """
        self.quiet: asyncio.Lock = asyncio.Lock()
        """held while something is decided and not known to be durable"""
        self._answers: Answers[Appended | Remembered] = answers
        self.store: Books = store
        self.run: str = run
        self.epoch: int = epoch
        self.clock: Clock = clock
        self.recent: Recent = Recent(store)
        standing = read_state(store, run)
        self.state: State = standing.state
        self.head: bytes = standing.head
        self._head_next: bytes = standing.head
        self.reply: Reply | None = reply_of(store, self.state.live.turn)
        self.asked: dict[str, Call] = asked_of(store, self.state)
        """a foreign client's calls that aren't answered, in full"""
        self._laws: dict[tuple[str, str], Law] = {}
        self._freezer: Freezer = Freezer()
        self._frozen_at: int = self.state.position

    @property
    def law(self) -> Law:
        """The law that the state names; compiled again only when it changes."""
        return self._named(self.state.definition, self.state.contract)

    def begin(self, definition: str, contract: str, law: Law) -> None:
        """Know ``law`` under these digests before the store does: its blobs come with the batch."""
        self._laws[definition, contract] = law

    async def take(self, heard: Sequence[Heard]) -> tuple[Event, ...]:
        """Decide on all of ``heard`` and return their events once they are durable.

        Raises what ``LogStore.append`` raises.
        """
        async with self.quiet:
            return await self._take(heard)

    async def _take(self, heard: Sequence[Heard]) -> tuple[Event, ...]:
        claims: dict[str, ClaimSeen] = {}
        counters: dict[str, CounterSeen] = {}
        learned: tuple[Heard, ...] = ()
        for _ in range(_RETRIES_MAX):
            draft = self._decide((*learned, *heard))
            answer = await self._answers.of(self.store.append(self._batch(draft)))
            if not isinstance(answer, Remembered):
                self._go_on(draft)
                self._snapshot()
                return draft.events
            if not answer.claims and not answer.counters:
                raise Broken("the store refused a batch and remembers no reason")
            # All of it in one fact before the others: an act that follows from the first thing learned
            # must not begin before the second is known.
            claims.update((claim.key, claim) for claim in answer.claims)
            counters.update((counter.counter, counter) for counter in answer.counters)
            known = e.MemoryLearned(tuple(claims.values()), tuple(counters.values()))
            learned = (Heard(known),)
        raise Broken(f"{self.run}: {_RETRIES_MAX} rivals in a row for one decision")

    def write(self, heard: Sequence[Heard]) -> tuple[tuple[Event, ...], Batch]:
        """Decide on all of ``heard`` and go on from there at once; return the events and the batch to ``append``.

        For runs that hold no claims, of which the store has nothing to remember. Batches are appended in the order
        in which they were written, and whoever does what the events allow waits for that first.
        """
        draft = self._decide(heard)
        batch = self._batch(draft)
        self._go_on(draft)
        return draft.events, batch

    def _go_on(self, draft: _Draft) -> None:
        self.state, self.head = draft.state, self._head_next
        self.asked = unanswered(draft.state, draft.asked)
        self.recent.keep(draft.blobs)

    def settle(self) -> None:
        """All that was written has become durable: a snapshot may be kept of it."""
        self._snapshot()

    def _decide(self, heard: Sequence[Heard]) -> _Draft:
        state, reply, at = self.state, self.reply, max(self.clock.now(), self.state.at)
        asked = dict(self.asked)
        events: list[Event] = []
        blobs: list[tuple[str, bytes]] = []
        opened: list[ClaimOpened] = []
        closed: list[ClaimClosed] = []
        counters: list[CounterMoved] = []
        for item in heard:
            reply = item.reply or reply
            if isinstance(item.body, e.RunRewound | e.RunForked):
                reply = self._reply_after(state, item.body, reply)
            if isinstance(item.body, e.CallReceived) and item.call is not None:
                asked.setdefault(item.body.call, item.call)
            fact = Fact(item.body, at, self.epoch, reply, asked)
            law = self._law_for(state, item.body)
            decision = step(state, fact, law, run=self.run)
            shared = shared_of(decision, law)
            state = decision.state
            events += decision.events
            blobs += item.blobs
            blobs += decision.blobs
            opened += shared.opened
            closed += shared.closed
            counters += shared.counters
        self.reply = reply
        posts = tuple(item.post for item in heard if item.post)
        return _Draft(
            state, tuple(events), tuple(blobs), tuple(opened), tuple(closed), tuple(counters), posts, asked
        )

    def _reply_after(self, state: State, body: e.Body, reply: Reply | None) -> Reply | None:
        """Going back may make an earlier turn the newest: its reply is the one that counts."""
        at = max(self.clock.now(), state.at)
        gone_back = Event(self.run, state.position + 1, at, self.epoch, 0, body)
        return reply_of(self.store, evolve(state, gone_back).live.turn) or reply

    def _law_for(self, state: State, body: e.Body) -> Law:
        match body:
            case e.RunOpened() | e.ContractAdopted():
                return self._named(body.definition, body.contract)
            case _:
                return self._named(state.definition, state.contract)

    def _named(self, definition: str, contract: str) -> Law:
        law = self._laws.get((definition, contract))
        if law is None:
            law = read_law(self.store, definition, contract)
            self._laws[definition, contract] = law
        return law

    def _batch(self, draft: _Draft) -> Batch:
        head, sealed = self.head, list[Stored]()
        for event in draft.events:
            stored = seal(event, head)
            head = stored.digest
            sealed.append(stored)
        self._head_next = head
        due = [timer.due for timer in draft.state.live.timers.values()]
        return Batch(
            run=self.run,
            expected=self.state.position,
            epoch=self.epoch,
            events=sealed,
            blobs=draft.blobs,
            opened=draft.opened,
            closed=draft.closed,
            counters=draft.counters,
            consumed=draft.posts,
            status=draft.state.status,
            wake=min(due, default=None),
            alone=self._answers.only_one,
        )

    def _snapshot(self) -> None:
        if self.state.position - self._frozen_at >= SNAPSHOT_EVENTS:
            self._frozen_at = self.state.position
            frozen = self._freezer.freeze(self.state, self.head)
            self.store.save(self.run, self.state.position, frozen.manifest, frozen.chunks)
