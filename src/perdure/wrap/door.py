"""The keeper's door: a socket at which shims of MCP servers and hooks of the client say what they want.

Invariants:
- Who comes in is the user's own process: the socket lies in a folder that nobody else can look into.
- One that says nothing, or nothing sensible, is answered and let go; it holds up nobody.
- A connection that ends takes what waits for it along, and never what was begun for it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import PerdureError
from perdure.values.limits import DOOR_WORDS_SECONDS, SHIM_LINE_BYTES_MAX
from perdure.wrap.order import Words

Guest = Callable[[Words, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Words | None]]
"""Serves one connection; what it returns is said last."""

_END_SECONDS: Final = 5.0


class Door:
    """Takes connections from a socket that listens already."""

    def __init__(self, listener: socket.socket, guests: Mapping[str, Guest]) -> None:
        """Give each connection to the guest that its first line wants."""
        self._listener: socket.socket = listener
        self._guests: Mapping[str, Guest] = guests
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connections are taken."""
        self._server = await asyncio.start_unix_server(
            self._came, sock=self._listener, limit=SHIM_LINE_BYTES_MAX
        )

    async def close(self) -> None:
        """No new ones are taken, and those inside have ended."""
        if self._server is not None:
            self._server.close()
        for each in self._inside:
            each.cancel()
        if self._inside:
            await asyncio.wait(self._inside, timeout=_END_SECONDS)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._inside.add(task)
        task.add_done_callback(self._inside.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = await self._answer(reader, writer)
            if said is not None:
                writer.write(msgspec.json.encode(said) + b"\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # it went away
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Words | None:
        try:
            async with asyncio.timeout(DOOR_WORDS_SECONDS):
                words = _words_in(await reader.readline())
        except (TimeoutError, ValueError, RecursionError, msgspec.MsgspecError):
            return _complaint("say in one line of JSON what you want")
        want = words.get("want")
        guest = self._guests.get(want) if isinstance(want, str) else None
        if guest is None:
            return _complaint(f"one can want {', '.join(sorted(self._guests))}")
        try:
            return await guest(words, reader, writer)
        except PerdureError as error:
            return _complaint(str(error), code=error.code, hint=error.hint)


def _words_in(line: bytes) -> Words:
    return msgspec.json.decode(line, type=dict[str, Json])


def _complaint(message: str, *, code: str = "", hint: str = "") -> Words:
    return {"error": {"code": code, "message": message, "hint": hint}}


async def until_gone(reader: asyncio.StreamReader, work: Awaitable[Words]) -> Words | None:
    """Return what ``work`` says; where the other side goes away first, the work is cancelled and nothing is said."""
    doing = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((doing, gone), return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for each in (doing, gone):
            each.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)
