"""The main conversation of a wrapped client, which is written into its session's run.

Whatever else the client asks, side calls and sub-agents, has runs of its own. What belongs to the main loop is decided by
what a request shares with the one before (``histories``); a client that goes back takes the session's run back with it,
and so does one whose model was never shown what a call came to (``unseen``): an equal call gets its receipt then.

Invariants:
- A going back is on disk before the request that shows it goes on.
- What was told of a request counts as sent; one that went on untold is compared as if it had never come.
- The state here is found again in the log, where requests are recorded whole; else it says less.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from perdure.assembly.foreign.conversations import Conversations, Scribe
from perdure.assembly.foreign.replies import LastReply
from perdure.gateway.histories import Past, Way, began_alike, extends, likeness, offers_alike, past_of
from perdure.gateway.looking_back import AGENT, came_at, ended_at, newest_live, past_in, received_in, reply_in
from perdure.gateway.talks import Talk
from perdure.gateway.tracking import Caller, Found, Opened
from perdure.gateway.unseen import matters, unseen, withdrawn
from perdure.log import events as e
from perdure.projection.state import State
from perdure.values.digest import name_of
from perdure.values.errors import RunStopped, WrongPrefix
from perdure.values.limits import CALL_HELD_SECONDS
from perdure.wire.bodies.request import RequestBody

WENT_BACK: Final = "the client goes on from an earlier place"
NOT_SEEN: Final = "the model was not shown what came of {}"
COMPACTION: Final = "compaction"

CANNED_MAX: Final = 1
"""Words of the model's that a client puts in front of each conversation: more are a history that it goes on from."""


class Hosting(Protocol):
    """The session of a wrapped client, as far as its conversation has to do with it."""

    @property
    def run(self) -> str:
        """Its run."""
        ...

    @property
    def state(self) -> State:
        """The state after all that was told."""
        ...

    @property
    def scribe(self) -> Scribe:
        """What writes into the run."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """Why the run isn't driven any more."""
        ...

    def went_back(self, to: int, why: str) -> Awaitable[None]:
        """What lies behind ``to`` is an abandoned tail."""
        ...

    def recorded(self, seconds: float) -> Awaitable[bool]:
        """Tell, at most so much later, whether the workspace stands recorded as of the newest main request."""
        ...


class MainLoop:
    """The main conversation of one wrapped client."""

    def __init__(
        self,
        session: Hosting,
        conversations: Conversations,
        reply: LastReply,
        *,
        expects: Sequence[str] = (),
        toolless: bool = False,
    ) -> None:
        """Write into the run of ``session``; ``reply`` is told what the model says.

        ``expects``: digests of the messages that the first main request has to begin with, '' for any message.
        ``toolless``: the client's main loop offers no tools.
        """
        self.session: Hosting = session
        self.reply: LastReply = reply
        self._conversations: Conversations = conversations
        self._expects: tuple[str, ...] = tuple(expects)
        self.toolless: bool = toolless
        self._lock: asyncio.Lock = asyncio.Lock()
        self._talk: Talk | None = None
        self._before: Past | None = None
        self._at: int = 0
        self._rewinds: int = -1
        self._open: frozenset[str] = frozenset()
        self._fresh: bool = True
        self._compacting: bool = False
        self._others: bool = False
        self._canned: int = 0
        """words of the model's that stood in the conversation's first request: its client says them for it"""
        self._replying: int = 0
        """requests that were told and whose client hasn't got its reply yet"""
        self.unbroken: bool = False
        """whether the newest request begins with all that one on the run's present path sent"""

    @property
    def talk(self) -> Talk | None:
        """The conversation, once it was asked for."""
        return self._talk

    def client_came(self) -> None:
        """A new process of the client asks from here on: what the one before left open is open no more."""
        self._fresh = True
        self._others = False
        self._open = frozenset()

    async def find(self, caller: Caller, read: RequestBody, opened: Opened) -> Found | None:
        """Return the conversation if ``read`` belongs to it; it is under way then. None: it is another's.

        Raises ``WrongPrefix`` for a client that was resumed in another place, ``RunStopped`` where nothing can be
        written any more, and what telling a going back raises.
        """
        async with self._lock:
            self._written()
            talk = await self._taken_up(caller)
            now = past_of(read, caller.session)
            way = self._way(read, now)
            if read.purpose == COMPACTION:
                self._compacting = True
            if way == "apart":
                self._others = self._others or bool(read.tools)
                return None
            self._check(now)
            before = self._before
            self.unbroken = way == "back" or (before is not None and extends(before, now))
            await self._settle(way, read, now)
            if way == "anew":
                self._canned = len(now.said) if len(now.said) <= CANNED_MAX else 0
                await self.session.scribe.tell(opened())
            talk.under_way += 1
            return Found(talk, new=way == "anew", mains=True)

    def extended_by(self, read: RequestBody) -> Talk | None:
        """Return the conversation if ``read`` begins with all that it sent; nothing follows from it."""
        before = self._before
        return self._talk if before is not None and extends(before, past_of(read, "")) else None

    async def joined(self, run: str, read: RequestBody) -> None:
        """Another conversation of this client has begun a run of its own."""
        why = AGENT if read.tools else "a side call"
        if self._before is None:
            why += ", before the main conversation"
        await self.session.scribe.tell(e.ConversationJoined(run, why))

    def asked(self, read: RequestBody, caller_session: str, position: int) -> None:
        """``read`` was told at ``position``."""
        self._before = past_of(read, caller_session)
        self._at = position
        self._rewinds = self.session.state.world.rewinds
        self._fresh = False
        self._compacting = read.purpose == COMPACTION
        self._open = frozenset()
        self._replying += 1
        self.reply.begin(position)

    def answered(self, *, whole: bool) -> None:
        """Its reply has ended: what it calls is open until a request answers it."""
        self._replying -= 1
        self._open = frozenset(call.use for call in self.reply.calls) if whole else frozenset()

    async def ready(self) -> bool:
        """Tell, at most so much later, whether the workspace stands recorded as of the newest request."""
        return await self.session.recorded(CALL_HELD_SECONDS)

    # -- whose it is ---------------------------------------------------------------------------------

    def _way(self, read: RequestBody, now: Past) -> Way:
        before, compacts = self._before, read.purpose == COMPACTION
        if before is None:
            return "anew" if self._may_begin(now) and not compacts else "apart"
        alike = compacts or offers_alike(before, now) or (self._fresh and self._may_begin(now))
        if now.digests != before.digests and self._is_beside(read):
            return "apart"
        if extends(before, now):
            return "on" if alike or before.system == now.system else "apart"
        if not alike or (self._replying and not self._fresh):
            return "apart"
        return self._way_from(before, read, now)

    def _way_from(self, before: Past, read: RequestBody, now: Past) -> Way:
        """Return the way of what the same loop may have sent, and which doesn't extend what it sent before."""
        like, canned = likeness(before, now), self._canned
        words = like.words > canned
        if words and not like.lost:
            if self._is_forked(read):
                return "apart"
            return "back" if withdrawn(before.answers, read) else "on"
        if self._compacting or read.purpose == COMPACTION:
            return "on"
        if words or (before.tools is None and like.shared):
            return "back"
        alike = began_alike(before, now, canned)
        if len(before.said) <= canned:
            return "on" if alike else self._anew()
        again = alike or (self._is_same_session(before, now) and len(now.said) <= canned)
        return "back" if again else self._anew()

    def _is_same_session(self, before: Past, now: Past) -> bool:
        """Tell whether the client itself says that it is one, while nothing of it is open elsewhere."""
        named = bool(now.session) and now.session == before.session
        return named and not self._open and not self._fresh

    def _is_beside(self, read: RequestBody) -> bool:
        """Tell whether the client asks something beside its main loop, which waits for a call that a server carries out."""
        received = self.session.state.live.received.values()
        waits = any(each.of == self._at and not each.answered and each.via == "mcp" for each in received)
        if self._fresh or not waits:
            return False
        return not any(result.call in self._open for result in read.results)

    def _anew(self) -> Way:
        return "apart" if self._open and not self._fresh else "anew"

    def _is_forked(self, read: RequestBody) -> bool:
        """Tell whether a sub-agent goes on from what the model said, while the main loop still carries out its calls."""
        if self._fresh or not any(made.call in self._open for _, made in read.calls):
            return False
        return not any(result.call in self._open for result in read.results)

    def _may_begin(self, now: Past) -> bool:
        return bool(now.tools) or self.toolless

    # -- what follows from it ------------------------------------------------------------------------

    def _written(self) -> None:
        failure = self.session.failure
        if failure is not None or self.session.scribe.failed:
            words = self.session.scribe.failure or f"{type(failure).__name__}: {failure}"
            raise RunStopped(f"the run {self.session.run} can't be written any more ({words})")

    def _check(self, now: Past) -> None:
        """The first request of a client that was resumed begins with what it was resumed with."""
        expects = self._expects
        if expects:
            same = len(now.digests) >= len(expects) and all(
                expected in {"", digest} for expected, digest in zip(expects, now.digests, strict=False)
            )
            if not same:
                shared = next(
                    (
                        place
                        for place, (expected, digest) in enumerate(zip(expects, now.digests, strict=False))
                        if expected not in {"", digest}
                    ),
                    min(len(expects), len(now.digests)),
                )
                raise WrongPrefix(
                    f"the client was to go on from {len(expects)} messages of the run {self.session.run}; its request "
                    f"shares the first {shared} of them",
                )
        self._expects = ()

    async def _settle(self, way: Way, read: RequestBody, now: Past) -> None:
        """The run goes back where the client did, or where its model was not shown what came of a call."""
        if self._before is None:
            return
        if way != "back" and not self.pending:
            return
        like = likeness(self._before, now)
        lost = await self._lost(read, like.at if way == "on" else len(now.digests))
        to = min((position for position, _ in lost), default=0) - 1
        why = NOT_SEEN.format(", ".join(tool for _, tool in lost[:3]))
        if way == "back":
            events = await asyncio.to_thread(self._conversations.events, self.session.run)
            back = ended_at(events, self._at, like.size)
            to, why = (min(to, back) if to > 0 else back), WENT_BACK
        if to > 0:
            await self.session.went_back(to, why)

    @property
    def pending(self) -> bool:
        """Whether something was done since the newest request that the model may not have been shown."""
        state = self.session.state
        return any(
            record.proposed > self._at and matters(state, record) for record in state.live.received.values()
        )

    async def _lost(self, read: RequestBody, since: int) -> list[tuple[int, str]]:
        """Return the calls since the newest request that the model isn't shown the answers of: position and tool."""
        if not self.pending:
            return []
        state, scribe = self.session.state, self.session.scribe
        events = await asyncio.to_thread(self._conversations.events, self.session.run, self._at)
        calls = [
            call._replace(use=self.reply.use_of(call.record.id))
            for call in received_in(events, self._at, state, scribe)
            if matters(state, call.record)
        ]
        mine = {each.use for each in self.reply.calls}
        calls = [call for call in calls if not call.use or not mine or call.use in mine]
        return [(call.position, call.record.tool) for call in unseen(calls, read, since, others=self._others)]

    # -- what the log knows --------------------------------------------------------------------------

    async def _taken_up(self, caller: Caller) -> Talk:
        """Return the conversation; where a person took the run back, what counts as sent is looked up anew."""
        session = self.session
        talk = self._talk
        if talk is None:
            talk = self._talk = Talk(session.scribe, name_of("bucket", session.run)[:10])
        if self._rewinds != session.state.world.rewinds:
            self._rewinds = session.state.world.rewinds
            if session.state.live.conversation is not None:
                await self._look_back(talk, caller)
        return talk

    async def _look_back(self, talk: Talk, caller: Caller) -> None:
        events = await asyncio.to_thread(self._conversations.events, self.session.run)
        newest = newest_live(events)
        if newest is None:
            self._before, self._at = None, 0
            return
        known = talk.conversation
        found = await asyncio.to_thread(past_in, events, newest, known.api, self.session.scribe)
        session = known.session or caller.session
        self._before, self._at = found.past._replace(session=session), newest
        if found.read is not None:
            talk.standing, talk.tail = found.standing, found.tail
        self.reply.begin(newest)
        for call in reply_in(events, newest, known.api, self.session.scribe):
            self.reply.hear(call)
        came = came_at(events)
        self._fresh = self._fresh and came.client > newest
        self._others = self._others or came.agent > came.client
        if not self._fresh:
            self._open = frozenset(call.use for call in self.reply.calls)
