"""A reply of a wrapped client's main conversation on its way: what begins with its first call waits.

The workspace is recorded while the model thinks. If that isn't done when the first call comes, the call waits, and all
that follows it; what the model says before goes through at once.

Invariants:
- What comes out is what went in, byte for byte.
- It waits once, and never longer than ``ready`` does.
- Of each call it is told when it begins, and again when it is spelled to its end.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from perdure.assembly.foreign.replies import SpelledCall
from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.follow import Follower
from perdure.wire.streaming.rounds import WORDINGS
from perdure.wire.streaming.sse import SseSplitter

_NS: Final = 1_000_000

Write = Callable[[bytes], Awaitable[None]]


class Listener(Protocol):
    """Hears the calls in a reply."""

    def event(self, piece: bytes, /) -> Iterable[SpelledCall]:
        """Return the calls that begin with an event of a stream."""
        ...

    def end(self, body: bytes, /) -> Iterable[SpelledCall]:
        """Return all calls, spelled out; ``body`` is the reply where it is no stream."""
        ...


class Holds(Protocol):
    """Makes the way of a reply."""

    def __call__(self, write: Write, /, *, streamed: bool) -> "Hold":
        """Return the way to ``write``; ``streamed``: the reply comes as a stream."""
        ...


class ApiListener:
    """Hears the calls in a reply of one of the APIs that are read."""

    def __init__(self, api: Api, *, streamed: bool) -> None:
        """Begin."""
        self._api: Api = api
        self._streamed: bool = streamed
        self._follower: Follower = Follower(api, streamed=streamed, keeps=True)
        self._known: int = 0

    def event(self, piece: bytes) -> Iterable[SpelledCall]:
        """Return the calls that begin with an event of a stream."""
        if self._follower.skim(piece):
            return ()
        self._follower.hear(piece)
        calls = tuple(self._follower.learned.calls.values())
        new, self._known = calls[self._known :], len(calls)
        return [SpelledCall(call.id, call.name) for call in new]

    def end(self, body: bytes) -> Iterable[SpelledCall]:
        """Return all calls, spelled out."""
        if not self._streamed:
            self._follower.feed(body)
        self._follower.close()
        whole = self._follower.whole()
        calls = WORDINGS[self._api].calls(whole) if whole else ()
        return [SpelledCall(call.id, call.name, call.arguments) for call in calls]


class Hold:
    """The way of one reply to its client."""

    def __init__(
        self,
        listener: Listener,
        write: Write,
        ready: Callable[[], Awaitable[bool]],
        hear: Callable[[SpelledCall], None],
        *,
        streamed: bool,
    ) -> None:
        """Write on with ``write``; before the first call waits for ``ready``, which tells whether all is recorded."""
        self._listener: Listener = listener
        self._write: Write = write
        self._ready: Callable[[], Awaitable[bool]] = ready
        self._hear: Callable[[SpelledCall], None] = hear
        self._streamed: bool = streamed
        self._splitter: SseSplitter = SseSplitter()
        self._body: list[bytes] = []
        self._passed: bool = False
        self.held_ns: int = 0
        """how long the first call waited"""
        self.unrecorded: bool = False
        """whether it went on although not all was recorded"""

    @property
    def held_ms(self) -> int:
        """How long the first call waited."""
        return self.held_ns // _NS

    async def write(self, piece: bytes) -> None:
        """Take bytes of the reply; those before its first call are written on when this returns."""
        if not self._streamed:
            self._body.append(piece)
            return
        await self._take(self._splitter.feed(piece))

    async def close(self) -> None:
        """Take in that there is no more."""
        if self._streamed:
            rest = self._splitter.close()
            await self._take([rest] if rest else [])
        body = b"".join(self._body)
        calls = self._heard(lambda: self._listener.end(body))
        if calls:
            await self._wait()
        await self._write(body)

    async def _take(self, events: list[bytes]) -> None:
        before: list[bytes] = []
        for event in events:
            if self._heard(lambda event=event: self._listener.event(event)) and not self._passed:
                await self._write(b"".join(before))
                before = []
                await self._wait()
            before.append(event)
        await self._write(b"".join(before))

    def _heard(self, listen: Callable[[], Iterable[SpelledCall]]) -> bool:
        """Tell of the calls that ``listen`` hears; a reply that can't be read passes."""
        try:
            calls = list(listen())
        except Exception:  # noqa: BLE001 - what only looks on must not stop what it looks at
            return False
        for call in calls:
            self._hear(call)
        return bool(calls)

    async def _wait(self) -> None:
        if self._passed:
            return
        self._passed = True
        begun = time.monotonic_ns()
        self.unrecorded = not await self._ready()
        self.held_ns = time.monotonic_ns() - begun
