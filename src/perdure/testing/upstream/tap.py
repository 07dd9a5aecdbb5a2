"""A plain pass-through on the way, which keeps what goes by: what a client sent, and what it got.

It changes nothing and knows nothing. In front of a gateway it says what the gateway saw; alone it is the plainest
proxy that can be, to measure others by.
"""

import asyncio
import socket
import threading
import time
from types import TracebackType
from typing import Final, Self, cast

import aiohttp
import msgspec
from aiohttp import web

from perdure.values.errors import require

HOP: Final = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    ]
)
BODY_BYTES: Final = 256 << 20
SECONDS: Final = 20


class Passed(msgspec.Struct):
    """A request and its answer, as they went by."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float = 0.0
    """when it came, seconds"""
    status: int = 0
    answer: bytes = b""
    whole: bool = False
    """whether the answer came to its end"""


class Tap:
    """A pass-through to ``target``, at a port of its own, in a thread of its own."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0
        self.passed: list[Passed] = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="tap", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        require(self._ready.wait(SECONDS) and self.port > 0, "the tap did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(SECONDS)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
                app = web.Application(client_max_size=BODY_BYTES)

                async def passing(request: web.Request) -> web.StreamResponse:
                    return await self._pass(session, request)

                app.router.add_route("*", "/{path:.*}", passing)
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, auto_decompress=False)
                await runner.setup()
                await web.SockSite(runner, listener).start()
                self.port = cast("tuple[str, int]", listener.getsockname())[1]
                self._ready.set()
                await self._end.wait()
                await runner.cleanup()
        finally:
            self._ready.set()
            listener.close()

    async def _pass(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        headers = tuple((str(name), value) for name, value in request.headers.items())
        passed = Passed(request.path_qs, headers, await request.read(), time.time())
        self.passed.append(passed)
        kept = [(name, value) for name, value in headers if name.lower() not in HOP]
        try:
            async with session.request(
                request.method, self.target + request.path_qs, headers=kept, data=passed.body or None
            ) as answer:
                return await _through(request, answer, passed)
        except (aiohttp.ClientError, ConnectionError):
            # What broke off there breaks off here.
            if request.transport is not None:
                request.transport.abort()
            return web.Response()


async def _through(
    request: web.Request, answer: aiohttp.ClientResponse, passed: Passed
) -> web.StreamResponse:
    passed.status = answer.status
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in HOP:
            response.headers.add(name, value)
    await response.prepare(request)
    gone = False
    async for piece in answer.content.iter_any():
        passed.answer += piece
        if not gone:
            gone = not await _wrote(response, piece)
    passed.whole = True
    if not gone:
        await _wrote(response, None)
    return response


async def _wrote(response: web.StreamResponse, piece: bytes | None) -> bool:
    """Tell whether the client is still there; Codex leaves when it has what it wants."""
    try:
        await (response.write_eof() if piece is None else response.write(piece))
    except ConnectionError:
        return False
    return True
