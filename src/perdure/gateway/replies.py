"""Replies on their way back, the hidden exchange among them.

Invariants:
- What the model was given of a page, and the message that is split from now on, are on disk before the client
  sees the end of that message, unless the log can't be written.
- Where nothing is withheld, the client gets the upstream's bytes as they came.
- The connection to the upstream ends with the client's.
- An answer that is compressed although it was asked for as it is gets unpacked on the way: what is withheld stays so.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from perdure.gateway.answers import Line
from perdure.gateway.heads import backward
from perdure.gateway.holding import Holds
from perdure.gateway.unpacking import ANY_SIZE, Unpacking
from perdure.log.events import Usage
from perdure.values.limits import GATEWAY_BODY_BYTES_MAX
from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.exchange import FollowUp, Given, Hidden, Memory, Screen, Withheld
from perdure.wire.streaming.follow import Follower
from perdure.wire.streaming.learning import Learned
from perdure.wire.streaming.relay import NOTHING, Relay

FINE: Final = 400
"""The first status that says that something went wrong."""


class Host(Protocol):
    """Answers what is withheld from the client."""

    async def give(self, asked: Sequence[Withheld]) -> dict[str, Given]:
        """Return the answers, by id of call."""
        ...

    async def record(self, hidden: Sequence[Hidden]) -> None:
        """What is split from now on is on disk."""
        ...

    async def ask_again(self, follow_up: FollowUp) -> aiohttp.ClientResponse:
        """Send the next request of the exchange."""
        ...


class Outcome(NamedTuple):
    """How a reply went."""

    status: int
    usages: tuple[Usage, ...] = ()
    kept: bytes = b""
    """the reply as the client got it, where that is wanted"""
    whole: bool = False
    """whether it came to its end"""
    first_ns: int = 0
    error: str = ""
    stop: str = ""


class Refused(NamedTuple):
    """How the provider refused to go on with a reply that it had begun."""

    status: int
    reason: str | None
    headers: "CIMultiDict[str]"
    body: bytes

    @property
    def error(self) -> str:
        """What the log says of it."""
        return f"the request that went on was answered with {self.status}"


class Tape:
    """What the client was given, as far as it is kept, and when it began."""

    def __init__(self, line: Line, *, keeps: bool) -> None:
        """Write to ``line``."""
        self._line: Line = line
        self._keeps: bool = keeps
        self._kept: list[bytes] = []
        self._size: int = 0
        self.first_ns: int = 0

    async def write(self, piece: bytes) -> None:
        """The client gets ``piece``."""
        if not piece:
            return
        if not self.first_ns:
            self.first_ns = time.monotonic_ns()
        if self._keeps:
            self._kept.append(piece)
            self._size += len(piece)
            if self._size > GATEWAY_BODY_BYTES_MAX:
                self._keeps = False
                self._kept.clear()
        await self._line.write(piece)

    @property
    def kept(self) -> bytes:
        """All of it."""
        return b"".join(self._kept)


async def watched(
    line: Line,
    answer: aiohttp.ClientResponse,
    api: Api,
    *,
    keeps: bool,
    done: Callable[[Outcome], Awaitable[None]],
) -> web.StreamResponse:
    """Pass the answer on byte for byte, and read on the side what it took; ``done`` hears how it went."""
    fine = answer.status < FINE
    tape = Tape(line, keeps=keeps and fine)
    reader = _Reader(Follower(api, streamed=is_streamed(answer)), reads=fine)
    unpacking = Unpacking(answer.headers.get("Content-Encoding", ""))
    try:
        await line.begin(answer.status, answer.reason, backward(answer.raw_headers))
        async for piece in answer.content.iter_any():
            await tape.write(piece)
            reader.feed(unpacking, piece)
        reader.close()
        return await line.finish()
    finally:
        kept = tape.kept if unpacking.plain else b""
        learned = reader.learned
        usages = (learned.usage,) if learned.counted else ()
        await done(Outcome(answer.status, usages, kept, learned.ended, tape.first_ns, stop=learned.stop))


class _Reader:
    """Reads a reply that passes by; whatever is wrong with it, it passes."""

    def __init__(self, follower: Follower, *, reads: bool) -> None:
        self._follower: Follower = follower
        self._reads: bool = reads

    @property
    def learned(self) -> Learned:
        return self._follower.learned

    def feed(self, unpacking: Unpacking, piece: bytes) -> None:
        if self._reads:
            try:
                self._follower.feed(unpacking.more(piece))
            except Exception:  # noqa: BLE001 - what only looks on must not stop what it looks at
                self._reads = False

    def close(self) -> None:
        if self._reads:
            try:
                self._follower.close()
            except Exception:  # noqa: BLE001 - as above
                self._reads = False


async def relayed(
    line: Line,
    answer: aiohttp.ClientResponse,
    api: Api,
    screen: Screen,
    host: Host,
    *,
    keeps: bool,
    done: Callable[[Outcome], Awaitable[None]],
    knows: Memory = NOTHING,
    holds: Holds | None = None,
) -> web.StreamResponse:
    """Give the client the reply that the model makes with what the host answers it in between.

    ``holds``: its first call waits on its way, which this makes from where it goes on to, and whether it is a stream.
    """
    tape = Tape(line, keeps=keeps)
    streamed = is_streamed(answer)
    hold = holds(tape.write, streamed=streamed) if holds is not None else None
    write = hold.write if hold is not None else tape.write
    relay = Relay(api, screen, streamed=streamed, knows=knows)
    status, whole, error = answer.status, False, ""
    headers = _unpacked(answer)
    try:
        if streamed:
            await line.begin(answer.status, answer.reason, headers)
            refused = await _exchanged(answer, relay, host, write)
            error = refused.error if refused is not None else ""
            if hold is not None:
                await hold.close()
            whole = relay.stage == "ended"
            return await line.finish()
        gathered: list[bytes] = []

        async def gather(piece: bytes) -> None:
            gathered.append(piece)

        refused = await _exchanged(answer, relay, host, gather)
        if refused is not None:
            error = refused.error
            await line.begin(refused.status, refused.reason, refused.headers)
            await line.write(refused.body)
            return await line.finish()
        whole = relay.stage == "ended"
        body = b"".join(gathered)
        headers["Content-Length"] = str(len(body))
        await line.begin(status, answer.reason, headers)
        await write(body)
        if hold is not None:
            await hold.close()
        return await line.finish()
    finally:
        stop = relay.learned.stop
        await done(Outcome(status, relay.usages, tape.kept, whole, tape.first_ns, error, stop))


async def _exchanged(
    answer: aiohttp.ClientResponse, relay: Relay, host: Host, write: Callable[[bytes], Awaitable[None]]
) -> Refused | None:
    """Feed ``relay`` until it has ended; return how a later request of the exchange was refused, if one was."""
    while True:
        async with answer:
            unpacking = Unpacking(answer.headers.get("Content-Encoding", ""), most=ANY_SIZE)
            async for piece in answer.content.iter_any():
                await write(relay.feed(_read_out(unpacking, piece)))
            await write(relay.close())
        if relay.stage == "asking":
            follow_up = relay.answer(await host.give(relay.asked))
            if follow_up is not None:
                answer = await host.ask_again(follow_up)
                if answer.status >= FINE:
                    return await _refused(answer, relay, write)
                continue
        if relay.stage == "finishing":
            if relay.hidden:
                await host.record(relay.hidden)
            await write(relay.finish())
        return None


async def _refused(
    answer: aiohttp.ClientResponse, relay: Relay, write: Callable[[bytes], Awaitable[None]]
) -> Refused:
    """Take in that the provider won't go on; a stream tells the client so in its own words."""
    async with answer:
        body = _read_out(
            Unpacking(answer.headers.get("Content-Encoding", ""), most=ANY_SIZE), await answer.read()
        )
        headers = _unpacked(answer)
    await write(relay.fail(answer.status, body))
    headers["Content-Length"] = str(len(body))
    return Refused(answer.status, answer.reason, headers, body)


def _unpacked(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    """Return the headers of an answer that goes on as what it says, in another length."""
    headers = backward(answer.raw_headers)
    for name in ("Content-Length", "Content-Encoding"):
        headers.popall(name, None)
    return headers


def _read_out(unpacking: Unpacking, piece: bytes) -> bytes:
    """Return what ``piece`` says. Raises ``ClientPayloadError``: what can't be read breaks off, it never looks whole."""
    said = unpacking.more(piece)
    if not unpacking.readable:
        raise aiohttp.ClientPayloadError("the answer is packed in a way that can't be read")
    return said


def is_streamed(answer: aiohttp.ClientResponse) -> bool:
    """Tell whether the answer comes as server-sent events."""
    return answer.content_type == "text/event-stream"
