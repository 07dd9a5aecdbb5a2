"""Finding the conversation that a request belongs to.

A bucket is a credential and the client's own name of its session, where it gives one. Within it a request extends
a conversation whose messages are the first of its own, or repeats it, or says otherwise what the client itself had said in it,
or parts from it (then its run is a fork of
the other's, at the last request that both share, so that what was moved in the shared part stays moved, byte for
byte), or is new: side calls and sub-agents begin with other messages.

Invariants:
- Nothing of another credential is ever compared, forked or read.
- What isn't open is found in the log: a run's name begins with digests of its bucket and of its first message.
"""

import asyncio
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from perdure.assembly.foreign.conversations import Conversations
from perdure.gateway.talks import Talk, common
from perdure.log import events as e
from perdure.page.handles import handles_in
from perdure.projection.state import Page
from perdure.values.digest import name_of
from perdure.values.errors import PerdureError, RunExists
from perdure.values.limits import BODIES_KEPT_BYTES_MAX, TALKS_OPEN_MAX, TALKS_SEARCHED_MAX, TALKS_TRIED_MAX

_RUN: Final = re.compile(r"gw-[a-z0-9-]+\.([0-9a-f]{10})\.([0-9a-f]{10})\.(\d+)")
_CLIENT: Final = re.compile(r"[^a-z0-9]+")


class Caller(NamedTuple):
    """Whose request it is."""

    credential: str
    """keyed digest of what it authenticates with"""
    session: str = ""

    @property
    def bucket(self) -> str:
        """The name of its bucket."""
        return name_of("bucket", self.credential, self.session)[:10]


class Found(NamedTuple):
    """A conversation, and how the request stands to it."""

    talk: Talk
    new: bool = False
    begun: bool = False
    """whether its run was begun for the request"""
    mains: bool = False
    """whether it is the main conversation of a wrapped client"""


Opened = Callable[[], e.ConversationOpened]
"""Makes what a conversation opens with, where it is new."""


class Tracker:
    """All conversations of one store, those that are open and those that aren't."""

    def __init__(self, conversations: Conversations) -> None:
        """Know the runs of the store."""
        self._conversations: Conversations = conversations
        self._open: OrderedDict[str, Talk] = OrderedDict()
        self._weights: dict[str, int] = {}
        """bytes of the bodies that open conversations hold, by run"""
        self._weight: int = 0
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._opening: dict[str, asyncio.Task[Talk | None]] = {}
        self._runs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._buckets: defaultdict[str, list[str]] = defaultdict(list)
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        for row in conversations.rows():
            self._note(row.run)

    @property
    def open_talks(self) -> tuple[Talk, ...]:
        """Those that are open, the quietest first."""
        return tuple(self._open.values())

    async def find(self, caller: Caller, digests: tuple[str, ...], opened: Opened) -> Found:
        """Return the conversation that a request with these messages belongs to; it is begun where it is new.

        It counts as under way from here on: ``leave`` it. Raises ``Held`` where another gateway has it.
        """
        key = (caller.bucket, name_of("first", digests[0] if digests else "")[:10])
        async with self._locks[key]:
            talk, shared = await self._nearest(key, caller, digests)
            if talk is not None and (shared == len(talk.sent) or _goes_on(talk, digests, shared)):
                return Found(self._entered(talk))
            if talk is not None:
                at = await self._last_shared(talk, shared)
                if at:
                    return Found(self._entered(await self._fork(key, talk, at)), begun=True)
            return Found(self._entered(await self._begin(key, opened())), new=True, begun=True)

    async def peek(self, caller: Caller, digests: tuple[str, ...]) -> Talk | None:
        """Return the conversation that these messages extend, if there is one; nothing is begun."""
        key = (caller.bucket, name_of("first", digests[0] if digests else "")[:10])
        async with self._locks[key]:
            talk, shared = await self._nearest(key, caller, digests)
            return self._entered(talk) if talk is not None and shared else None

    def leave(self, talk: Talk) -> None:
        """The request is over."""
        talk.under_way -= 1
        if self._open.get(talk.run) is talk:
            self._weigh(talk)
        for other in tuple(self._open.values()) if self._weight > BODIES_KEPT_BYTES_MAX else ():
            other.keep(b"")
            self._weigh(other)
            if self._weight <= BODIES_KEPT_BYTES_MAX:
                break

    async def pages(self, talk: Talk, asked: str) -> Mapping[str, Page]:
        """Return the pages that the model of ``talk`` may be given, who asks with ``asked``.

        Those of its own run. Where the client names its session, those of the session's other runs: its
        compactions begin new ones. Where it doesn't, those of its credential that are asked for by their handle.
        """
        own = talk.state.live.pages
        session = bool(talk.conversation.session)
        wanted = [name for name in handles_in(asked.lower()) if name not in own]
        if not session and not wanted:
            return own
        found: dict[str, Page] = {}
        for run in self._buckets[talk.bucket][-TALKS_SEARCHED_MAX:]:
            other = talk if run == talk.run else await self._held_open(run)
            if other is None or other.conversation.credential != talk.conversation.credential:
                continue
            if other.conversation.session != talk.conversation.session:
                continue
            pages = other.state.live.pages
            found.update(pages if session else {name: pages[name] for name in wanted if name in pages})
        return {**found, **own}

    async def close(self) -> None:
        """Give all runs back."""
        for talk in tuple(self._open.values()):
            self._shut(talk)
        await asyncio.gather(*self._closing.values(), return_exceptions=True)

    # -- inside --------------------------------------------------------------------------------------

    async def _nearest(
        self, key: tuple[str, str], caller: Caller, digests: tuple[str, ...]
    ) -> tuple[Talk | None, int]:
        """Return the conversation that shares the most with ``digests``: first those of which it has all."""
        best: Talk | None = None
        standing = (False, 0)
        for run in reversed(self._runs[key][-TALKS_TRIED_MAX:]):
            talk = await self._held_open(run)
            if talk is None:
                continue
            known = talk.conversation
            if (known.credential, known.session) != (caller.credential, caller.session):
                continue
            shared = common(talk.sent, digests)
            now = (shared == len(talk.sent), shared)
            if best is None or now > standing:
                best, standing = talk, now
            if standing == (True, len(digests)):
                break
        return best, standing[1]

    async def _last_shared(self, talk: Talk, shared: int) -> int:
        """Return the position at which the last request ended that sent no more than ``shared`` messages; 0: none."""
        await talk.scribe.all_written()
        events = await asyncio.to_thread(self._conversations.events, talk.run)
        found, last = 0, 0
        for event in events:
            if isinstance(event.body, e.RequestForwarded):
                if last:
                    found = event.position - 1
                last = 1 if event.body.kept + len(event.body.messages) <= shared else 0
        return events[-1].position if last else found

    async def _held_open(self, run: str) -> Talk | None:
        """Return the conversation of ``run``, taken up from the log if it isn't open; None if it can't be had."""
        talk = self._open.get(run)
        if talk is not None and talk.scribe.failed and not talk.under_way:
            return await self._mended(talk)
        if talk is not None:
            return talk
        opening = self._opening.get(run)
        if opening is None:
            # By itself: whoever asked may go away, and a run is never taken up twice.
            opening = self._opening[run] = asyncio.get_running_loop().create_task(self._taken_up(run))
            opening.add_done_callback(lambda _: self._opening.pop(run, None))
        return await asyncio.shield(opening)

    async def _taken_up(self, run: str) -> Talk | None:
        closing = self._closing.get(run)
        if closing is not None:
            await asyncio.wait((closing,))
        try:
            scribe = await self._conversations.take_up(run)
        except PerdureError:
            return None
        if scribe.state.live.conversation is None:
            await self._conversations.let_go(scribe)
            return None
        return self._opened(Talk(scribe, _bucket_in(run)))

    async def _mended(self, talk: Talk) -> Talk:
        """Return the conversation as its log has it, whose writing failed; itself where that can't be had now."""
        await self._conversations.let_go(talk.scribe)
        try:
            scribe = await self._conversations.take_up(talk.run)
        except PerdureError:
            return talk
        fresh = Talk(scribe, talk.bucket)
        self._open[talk.run] = fresh
        return fresh

    async def _begin(self, key: tuple[str, str], opened: e.ConversationOpened) -> Talk:
        client = opened.client.partition("/")[0]
        while True:
            run = self._named(key, client)
            try:
                return self._opened(Talk(await self._conversations.open(run, opened), key[0]))
            except RunExists:
                self._note(run)

    async def _fork(self, key: tuple[str, str], source: Talk, at: int) -> Talk:
        client = source.conversation.client.partition("/")[0]
        while True:
            run = self._named(key, client)
            try:
                scribe = await self._conversations.fork(
                    source.run, at, run, "the client went on from an earlier place"
                )
            except RunExists:
                self._note(run)
                continue
            talk = Talk(scribe, key[0])
            talk.made = dict(source.made)
            talk.standing = source.standing
            return self._opened(talk)

    def _named(self, key: tuple[str, str], client: str) -> str:
        plain = _CLIENT.sub("-", client.lower()).strip("-")[:32] or "unknown"
        return f"gw-{plain}.{key[0]}.{key[1]}.{len(self._runs[key]) + 1}"

    def _note(self, run: str) -> None:
        named = _RUN.fullmatch(run)
        if named is None:
            return
        key = (named[1], named[2])
        if run not in self._runs[key]:
            self._runs[key].append(run)
            self._buckets[named[1]].append(run)

    def _opened(self, talk: Talk) -> Talk:
        self._note(talk.run)
        self._open[talk.run] = talk
        for run in tuple(self._open):
            if len(self._open) <= TALKS_OPEN_MAX:
                break
            other = self._open[run]
            if not other.under_way and other is not talk:
                self._shut(other)
        return talk

    def _entered(self, talk: Talk) -> Talk:
        talk.under_way += 1
        self._open.move_to_end(talk.run)
        return talk

    def _weigh(self, talk: Talk) -> None:
        """Take in how large the body is that ``talk`` holds now."""
        self._weight += len(talk.kept_body) - self._weights.get(talk.run, 0)
        self._weights[talk.run] = len(talk.kept_body)

    def _shut(self, talk: Talk) -> None:
        self._open.pop(talk.run, None)
        self._weight -= self._weights.pop(talk.run, 0)
        task = asyncio.get_running_loop().create_task(self._conversations.let_go(talk.scribe))
        self._closing[talk.run] = task
        task.add_done_callback(lambda _: self._closing.pop(talk.run, None))


def _goes_on(talk: Talk, digests: tuple[str, ...], shared: int) -> bool:
    """Tell whether what the model was sent as its last words is still there, though other messages are not.

    Clients end a request with what is true for it alone, such as the time, and leave that out of the next; and they
    clear old results in place. Who goes back to an earlier place has lost those words.
    """
    return not talk.under_way and talk.said_at(digests, shared) >= 0


def _bucket_in(run: str) -> str:
    named = _RUN.fullmatch(run)
    return named[1] if named is not None else ""
