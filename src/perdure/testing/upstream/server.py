"""The provider on the network: HTTP, streams, and what goes wrong with them."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, cast

from aiohttp import web

from perdure.testing.upstream.ledgers import LEDGER_BYTES, Ledgers
from perdure.testing.upstream.narrator import Narrator
from perdure.testing.upstream.plots import Plot
from perdure.testing.upstream.provider import Delivery, Provider, Recorded
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.troubles import Trouble
from perdure.values.errors import require

BODY_BYTES: Final = 256 << 20
START_SECONDS: Final = 20


Ask = Callable[[str, tuple[tuple[str, str], ...], bytes, float], Delivery]
"""Answers a path, headers and a body that came at that time."""


class Listening:
    """Whoever answers, at a port of its own, in a thread of its own; ``with`` starts and stops it."""

    def __init__(self, ask: Ask, port: int = 0) -> None:
        self._ask = ask
        self.port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens; the APIs stand under ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        require(self._ready.wait(START_SECONDS) and self.port > 0, "the upstream did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_SECONDS)

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(served(self._ask), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            listener = socket.create_server(("127.0.0.1", self.port))
            self.port = _port_of(listener)
            await web.SockSite(runner, listener).start()
            self._ready.set()
            await self._end.wait()
        finally:
            self._ready.set()
            await runner.cleanup()


class Upstream(Listening):
    """A strict provider that tells a plot."""

    def __init__(
        self,
        plot: Plot,
        *,
        seed: str,
        workspace: str = "",
        troubles: Mapping[int, Trouble] | None = None,
        ledger_bytes: int = LEDGER_BYTES,
        port: int = 0,
        caching: bool = True,
    ) -> None:
        self.ledgers = Ledgers(seed, ledger_bytes)
        signet = Signet(seed)
        self.provider = Provider(
            Narrator(plot, self.ledgers, signet, workspace), signet, troubles, caching=caching
        )
        super().__init__(self.provider.ask, port)

    @property
    def recorded(self) -> list[Recorded]:
        """Every request so far."""
        return self.provider.recorded


def served(ask: Ask) -> web.Application:
    """Return whoever answers as an application of aiohttp's."""

    async def post(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = request.path.removeprefix("/v1") if request.path.startswith("/v1/") else request.path
        headers = tuple((str(name), value) for name, value in request.headers.items())
        given = await asyncio.to_thread(ask, path, headers, body, time.time())
        return await _sent(request, given)

    async def models(request: web.Request) -> web.Response:
        del request
        listed = [{"id": name, "object": "model", "type": "model"} for name in ("claude-opus-5-5", "gpt-5.5")]
        return web.json_response({"object": "list", "data": listed, "has_more": False})

    async def alive(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok")

    app = web.Application(client_max_size=BODY_BYTES)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/", alive)
    app.router.add_post("/{path:.*}", post)
    return app


async def _sent(request: web.Request, given: Delivery) -> web.StreamResponse:
    if not given.events:
        if given.trouble is not None and given.trouble.kind in {"abort", "broken", "overloaded"}:
            _cut(request)
        return web.Response(
            status=given.status,
            body=given.whole,
            headers={**given.headers, "content-type": "application/json"},
        )
    headers = {
        **given.headers,
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
    }
    response = web.StreamResponse(status=given.status, headers=headers)
    try:
        await response.prepare(request)
    except ConnectionResetError:  # whoever asked has gone while the answer was thought of
        return response
    trouble = given.trouble
    for number, event in enumerate(given.events):
        if trouble is not None:
            if trouble.kind == "slow":
                await asyncio.sleep(trouble.pause_ms / 1000)
            elif number == min(trouble.events, len(given.events) - 1):
                return await _broken(request, response, trouble, event)
        try:
            await response.write(event)
        except ConnectionResetError:
            return response
    await response.write_eof()
    return response


async def _broken(
    request: web.Request, response: web.StreamResponse, trouble: Trouble, event: bytes
) -> web.StreamResponse:
    if trouble.kind == "overloaded":
        error = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
        await response.write(b"event: error\ndata: " + error + b"\n\n")
        await response.write_eof()
        return response
    if trouble.kind == "broken":
        await response.write(event[: len(event) // 2] + b"\n\n")
    _cut(request)
    return response


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _port_of(listener: socket.socket) -> int:
    return cast("tuple[str, int]", listener.getsockname())[1]
