"""Questions in Gemini's API from a wrapped client: they go through as they are, and are recorded as the main loop's.

Invariants:
- No byte of a request or a reply is changed.
- A request of the main loop is told before it goes on, and told to have ended, however it ends.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from perdure.gateway import heads
from perdure.gateway.answers import Line
from perdure.gateway.gemini_reading import GEMINI, GeminiListener, GeminiRequest
from perdure.gateway.heads import backward
from perdure.gateway.main_reply import MainReply
from perdure.gateway.parts import Parts
from perdure.gateway.plans import Recording, planned
from perdure.gateway.replies import FINE, Tape, is_streamed
from perdure.gateway.talks import Talk
from perdure.gateway.unpacking import Unpacking
from perdure.log import events as e
from perdure.values.digest import digest

_LOG: Final = logging.getLogger("perdure.gateway")

_MILLISECOND: Final = 1_000_000

GONE: Final = "the client went away"
BROKEN_OFF: Final = "the answer broke off"


def opened(
    client: str, read: GeminiRequest, session: str, credential: str, kept: str
) -> e.ConversationOpened:
    """Return what a conversation in that API opens with."""
    return e.ConversationOpened(
        client=client,
        api=GEMINI,
        model=read.model,
        session=session,
        credential=credential,
        mode="observe",
        kept=kept,
        note="requests of this API go through as they are: nothing is moved in them",
    )


class GeminiTurn:
    """One request of the main loop, and its reply."""

    def __init__(self, parts: Parts, talk: Talk, read: GeminiRequest, main: MainReply) -> None:
        """Take ``read``, which belongs to ``talk``."""
        self._parts: Parts = parts
        self._talk: Talk = talk
        self._read: GeminiRequest = read
        self._main: MainReply = main
        self._number: int = 0
        self._begun_ns: int = time.monotonic_ns()

    async def run(self, line: Line, request: web.BaseRequest, address: str) -> web.StreamResponse:
        """Forward it, and give the reply to the client."""
        talk, parts = self._talk, self._parts
        recording = Recording(
            bodies=talk.conversation.kept == "full" and not parts.is_behind(),
            pages=False,
            moves=False,
            at=parts.now(),
            unbroken=self._main.unbroken,
            session=self._main.session,
        )
        try:
            async with talk.deciding:
                plan = await planned(talk, self._read, parts.measure, recording, new=False)
            self._number = plan.number
            self._main.asked(plan.position)
        except Exception as error:  # noqa: BLE001 - it goes on as it came, and is compared as if it never had
            parts.counts.unlogged += 1
            _LOG.warning("%s: a request goes on unrecorded: %s", talk.run, type(error).__name__)
        headers = heads.onward(request.raw_headers, plain=True)
        try:
            answer = await parts.upstream.ask(request.method, address, headers, self._read.body)
        except BaseException as error:
            gone = isinstance(error, asyncio.CancelledError)
            self._main.answered(whole=False)
            await self._tell(e.RequestFailed(self._number, 0, GONE if gone else type(error).__name__))
            raise
        async with answer:
            streamed = is_streamed(answer)
            listener = GeminiListener(streamed=streamed)
            readable = answer.status < FINE and Unpacking(answer.headers.get("Content-Encoding", "")).plain
            tape = Tape(line, keeps=talk.conversation.kept == "full" and readable)
            hold = self._main.held_by(listener, tape.write, streamed=streamed)
            write = hold.write if readable else tape.write
            whole = False
            try:
                await line.begin(answer.status, answer.reason, backward(answer.raw_headers))
                async for piece in answer.content.iter_any():
                    await write(piece)
                if readable:
                    await hold.close()
                whole = True
                return await line.finish()
            finally:
                await self._ended(answer.status, listener, tape, whole=whole)

    async def _ended(self, status: int, listener: GeminiListener, tape: Tape, *, whole: bool) -> None:
        self._main.answered(whole=whole)
        if status >= FINE or not whole:
            await self._tell(e.RequestFailed(self._number, status, "" if status >= FINE else BROKEN_OFF))
            return
        usage, kept = listener.usage, tape.kept
        fact = e.RequestAnswered(
            number=self._number,
            usage=usage,
            told=usage,
            stop=listener.stop,
            first_ms=max(tape.first_ns - self._begun_ns, 0) // _MILLISECOND,
            whole_ms=(time.monotonic_ns() - self._begun_ns) // _MILLISECOND,
            reply=e.Content(len(kept), None, digest(kept)) if kept else None,
            held_ms=self._main.held_ms,
            unrecorded=self._main.unrecorded,
        )
        await self._tell(fact, ((digest(kept), kept),) if kept else ())

    async def _tell(self, fact: e.Body, blobs: Sequence[tuple[str, bytes]] = ()) -> None:
        """The client has its reply, or is gone: that the log can't say so is only counted."""
        if not self._number or self._talk.scribe.failed:
            return
        try:
            await self._talk.scribe.tell(fact, blobs=blobs)
        except Exception:  # noqa: BLE001 - as above
            self._parts.counts.unlogged += 1
