"""The gateway as a server: who may come in, and where each request goes.

Invariants:
- Whatever isn't a question to a model goes through untouched, and so does everything that can't be read.
- A client that goes away takes its request to the upstream with it.
- Nothing of a client's keys is kept: what authenticates it goes on in its header, and is digested on the way.
"""

import hmac
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from perdure.assembly.foreign.gateways import GatewaySettings, is_loopback
from perdure.gateway import heads
from perdure.gateway.answers import Line, refusal
from perdure.gateway.bodies import Room, Taken, taken
from perdure.gateway.desk import Desk
from perdure.gateway.routes import Route, path_in, route_of, target
from perdure.gateway.upstream import UNREACHED, Upstream
from perdure.values.errors import Unlistenable
from perdure.values.limits import GATEWAY_DRAIN_SECONDS, GATEWAY_HEADER_BYTES_MAX, HOOK_LINE_BYTES_MAX

OWN: Final = "/perdure/"
HOOK: Final = "hook/"
Hears = Callable[[str, bytes], Awaitable[bytes]]
"""Takes what a client's hook says, given the client's name; returns the JSON that the client is answered with."""

SHOWN_IN_PATH: Final = "/-/"

_BACKLOG: Final = 1024

_READ_BYTES: Final = 512 * 1024
"""Of one request that may wait to be looked at before its client has to: most come whole without a pause."""

_WEBSOCKET: Final = (
    "this gateway speaks HTTP, not WebSocket: ask with POST and read the answer as server-sent events"
)


class Gateway:
    """One listening gateway."""

    def __init__(
        self,
        settings: GatewaySettings,
        desk: Desk,
        listener: socket.socket | None = None,
        hears: Hears | None = None,
    ) -> None:
        """Serve ``settings``; ``desk`` takes questions to models. Needs a running loop.

        ``listener``: where it is asked, if somebody listens there already and keeps the place over restarts.
        ``hears``: who hears a client's hooks.
        """
        self._hears: Hears | None = hears
        self._listener: socket.socket | None = listener
        self._settings: GatewaySettings = settings
        self._desk: Desk = desk
        self._upstream: Upstream = desk.upstream
        self._room: Room = Room()
        self._runner: web.ServerRunner | None = None
        self.port: int = settings.port

    async def open(self) -> None:
        """Listen. Raises ``Unlistenable``."""
        server = web.Server(
            self._answered,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            read_bufsize=_READ_BYTES,
            logger=_quiet(),
            max_line_size=GATEWAY_HEADER_BYTES_MAX,
            max_field_size=GATEWAY_HEADER_BYTES_MAX,
        )
        runner = web.ServerRunner(server, shutdown_timeout=GATEWAY_DRAIN_SECONDS)
        await runner.setup()
        if self._listener is not None:
            # A copy: what is closed with the server is not the place itself.
            site: web.BaseSite = web.SockSite(runner, self._listener.dup(), backlog=_BACKLOG)
        else:
            site = web.TCPSite(runner, self._settings.host, self._settings.port, backlog=_BACKLOG)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise Unlistenable(f"{where}: {getattr(error, 'strerror', None) or error}") from error
        self._runner = runner
        self.port = int(cast("tuple[str, int]", runner.addresses[0])[1])

    async def close(self) -> None:
        """Take no more requests, let streams end within their time, and let go of all."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._desk.close()
        await self._upstream.close()

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        path = path_in(request.raw_path)
        if not path:
            return web.Response(status=400, text="ask for a path: this is a gateway, no proxy\n")
        if path.startswith(SHOWN_IN_PATH):
            shown, _, rest = path[len(SHOWN_IN_PATH) :].partition("/")
            path = "/" + rest
        else:
            shown = request.headers.get(heads.SHOWN_IN_HEADER, "")
        plain = path.partition("?")[0]
        anthropic = "anthropic-version" in request.headers or "x-api-key" in request.headers
        route = route_of(request.method, plain, anthropic=anthropic)
        if self._settings.token and not _same(shown, self._settings.token):
            return refusal(
                route.api,
                401,
                "authentication_error",
                f"this gateway wants its token in {heads.SHOWN_IN_HEADER}",
            )
        if plain.startswith(OWN):
            return await self._own(request, plain)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return refusal(route.api, 426, "upgrade_required", _WEBSOCKET, Upgrade="HTTP/1.1")
        return await self._forwarded(request, route, target(self._settings.upstream(route.api), path))

    async def _own(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Say how this gateway is; a page in a browser that only pretends to be this machine hears nothing."""
        host = request.host.rpartition(":")[0] if not request.host.endswith("]") else request.host
        if not self._settings.token and not (is_loopback(host or request.host) and _is_ours(request)):
            return web.Response(status=403, text="ask for this by the gateway's own address\n")
        asked = path.removeprefix(OWN)
        match asked:
            case "health":
                said = msgspec.json.encode({"ok": True})
            case "status":
                said = msgspec.json.encode(self._desk.status())
            case _ if asked.startswith(HOOK) and self._hears is not None and request.method == "POST":
                said = await self._hears(asked.removeprefix(HOOK), await _read(request))
            case _:
                return web.Response(status=404, text="there are /perdure/health and /perdure/status\n")
        return web.Response(body=said, content_type="application/json")

    async def _forwarded(self, request: web.BaseRequest, route: Route, address: str) -> web.StreamResponse:
        line = Line(request)
        body = await taken(request)
        size = len(body.whole or b"")
        held = self._room.take(size)
        try:
            if route.verb != "pass" and body.whole and held:
                return await self._desk.answer(line, request, route, address, body.whole)
            return await self._passed(line, request, address, body)
        except UNREACHED as error:
            return unreached(line, route, address, error)
        finally:
            if held:
                self._room.give_back(size)

    async def _passed(
        self, line: Line, request: web.BaseRequest, address: str, body: Taken
    ) -> web.StreamResponse:
        """It goes through, whatever it is."""
        headers = heads.onward(request.raw_headers, plain=False)
        if body.length:
            headers.add("Content-Length", body.length)
        if body.whole is None:
            self._desk.counts.unread += 1
        answer = await self._upstream.ask(request.method, address, headers, body.rest or body.whole or None)
        async with answer:
            return await line.pass_on(answer)


async def _read(request: web.BaseRequest) -> bytes:
    """Return what is posted; nothing where it is longer than a hook may tell."""
    pieces: list[bytes] = []
    left = HOOK_LINE_BYTES_MAX
    async for piece in request.content.iter_any():
        left -= len(piece)
        if left >= 0:
            pieces.append(piece)
    return b"".join(pieces) if left >= 0 else b""


def _quiet() -> logging.Logger:
    """Return where the HTTP server says what is wrong: in a word, since its sentences quote headers, keys among them."""
    logger = logging.getLogger("perdure.gateway").getChild("http")
    if not logger.filters:
        logger.addFilter(_shortened)
    return logger


def _shortened(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    record.msg = "a request could not be served: %s"
    record.args = (kind.__name__ if kind is not None else record.levelname.lower(),)
    record.exc_info = None
    return True


def _is_ours(request: web.BaseRequest) -> bool:
    """Tell whether no page from elsewhere asks in a browser."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _same(shown: str, token: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), token.encode())


def unreached(line: Line, route: Route, address: str, error: Exception) -> web.StreamResponse:
    """Return what the client sees of an upstream that couldn't be reached, or broke off."""
    if line.response is not None:
        return line.break_off()
    where = address.partition("?")[0]
    why = str(error) or type(error).__name__
    return refusal(route.api, 502, "upstream_unreachable", f"{where} gives no answer: {why}")
