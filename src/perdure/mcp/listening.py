"""Clients over streamable HTTP: each session of the protocol is a connection with servers of its own.

Who may come: with ``Host`` and ``Origin`` of the loopback only, unless another host is listened at on purpose, which
needs a token.
"""

import asyncio
import hmac
import json
import re
import socket
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, cast
from uuid import uuid4

import uvicorn
from mcp.server.streamable_http import (
    EventCallback,
    EventMessage,
    EventStore,
    StreamableHTTPServerTransport,
)
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import METHOD_NOT_FOUND, JSONRPCMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import Message, Receive, Scope, Send

from perdure.assembly.foreign.gateways import is_loopback
from perdure.values.errors import Unlistenable
from perdure.values.limits import MCP_EVENTS_MAX, MCP_IDLE_SECONDS, MCP_LINE_BYTES_MAX, MCP_SESSIONS_MAX

Serve = Callable[[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage], str], Awaitable[None]]
Vanished = Callable[[str], Awaitable[None]]

PATH: Final = "/mcp"
_SESSION: Final = b"mcp-session-id"
_VERSION: Final = b"mcp-protocol-version"
_GRACE_SECONDS: Final = 2
_ANSWER: Final = re.compile(rb'^data: \{"jsonrpc":"2\.0","id":[^,]{1,200},"(?:result|error)":', re.MULTILINE)
"""The event that ends the stream of a request, among others that may come before it."""


class Replays(EventStore):
    """What was sent on each stream of one session, for a client that lost its connection; the oldest go first."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self._sent: OrderedDict[str, tuple[str, JSONRPCMessage | None]] = OrderedDict()
        self._next: int = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep a message; return its name."""
        self._next += 1
        name = f"{self._next}"
        self._sent[name] = (stream_id, message)
        if len(self._sent) > MCP_EVENTS_MAX:
            self._sent.popitem(last=False)
        return name

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what followed on the stream that the client names; None where it isn't known any more."""
        known = self._sent.get(last_event_id)
        if known is None:
            return None
        for name, (stream, message) in tuple(self._sent.items()):
            if stream == known[0] and int(name) > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, name))
        return known[0]


class _Unsignalled(uvicorn.Server):
    """Signals are ours: they end the gateway, not only its server."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Listening:
    """An address at which clients are served."""

    def __init__(self, host: str, port: int, token: str, serve: Serve, vanished: Vanished) -> None:
        """Serve each client with ``serve``, which gets its streams and the name of its session.

        ``vanished`` hears of a client that went while it waited for an answer, before the next one begins.
        """
        self.port: int = port
        self._host: str = host
        self._token: str = token
        self._serve: Serve = serve
        self._vanished: Vanished = vanished
        self._cut: set[str] = set()
        """sessions whose client went away from an answer, and has not come back"""
        self._new: set[str] = set()
        """sessions of which nothing came after the hello: who went before that is seen to have gone only then"""
        self._open: OrderedDict[str, StreamableHTTPServerTransport] = OrderedDict()
        """the one that was used last stands last"""
        self._asking: Counter[str] = Counter()
        self._work: set[asyncio.Task[None]] = set()
        self._app: RequestBodyLimitMiddleware = RequestBodyLimitMiddleware(self._asked, MCP_LINE_BYTES_MAX)
        config = uvicorn.Config(
            self._app, log_config=None, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        self._server: uvicorn.Server = _Unsignalled(config)
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take requests. Raises ``Unlistenable``."""
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listening = socket.create_server((self._host.strip("[]"), self.port), family=family)
        except (OSError, OverflowError) as error:
            raise Unlistenable(f"can't listen at {self._host}:{self.port}: {error}") from error
        self.port = cast("tuple[str, int]", listening.getsockname())[1]
        self._serving = asyncio.get_running_loop().create_task(self._server.serve([listening]))

    async def close(self) -> None:
        """Take no more requests, and end every client's session."""
        await self._part_with_cut()
        self._server.should_exit = True
        for transport in tuple(self._open.values()):
            await transport.terminate()
        if self._work:
            await asyncio.wait(tuple(self._work), timeout=_GRACE_SECONDS)
        for task in self._work:
            task.cancel()
        if self._serving is not None:
            await asyncio.wait((self._serving,))

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: Mapping[bytes, bytes] = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        if cast("str", scope["path"]).rstrip("/") != PATH:
            await _told(send, 404, f"it is at {PATH}")
            return
        if self._token and not hmac.compare_digest(headers.get(b"authorization", b""), self._shown()):
            await _told(send, 401, "show the token: Authorization: Bearer TOKEN")
            return
        version = headers.get(_VERSION, b"").decode("latin-1")
        if version and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            # A client that could do without a handshake takes this to mean that we can't, and shakes hands.
            await _told(send, 400, f"protocol version {version} is not spoken here", METHOD_NOT_FOUND)
            return
        name = headers.get(_SESSION, b"").decode("latin-1")
        if name and name not in self._open:
            await _told(send, 404, "Session not found")
        elif name:
            await self._passed(name, scope, receive, send)
        elif not await self._room():
            await _told(send, 503, f"{MCP_SESSIONS_MAX} clients are connected already")
        else:
            await self._part_with_cut()
            await self._begun(scope, receive, send)

    async def _passed(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        transport = self._open[name]
        self._open.move_to_end(name)
        self._cut.discard(name)
        if name in self._new:
            self._new.discard(name)
            await self._part_with_cut()
        self._asking[name] += 1
        try:
            await self._carried(name, transport, scope, receive, send)
        finally:
            self._asking[name] -= 1
        if transport.is_terminated:
            self._open.pop(name, None)

    async def _carried(
        self,
        name: str,
        transport: StreamableHTTPServerTransport,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Pass a request on; a client that goes before it has the whole answer leaves a mark."""
        gone = whole = False

        async def heard() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or (message["type"] == "http.disconnect" and not whole)
            return message

        async def said(message: Message) -> None:
            nonlocal whole
            await send(message)
            if message["type"] == "http.response.body":
                # Clients close the stream once they have the answer, and don't wait for its end.
                body = cast("bytes", message.get("body", b""))
                whole = whole or not message.get("more_body", False) or _ANSWER.search(body) is not None

        try:
            await transport.handle_request(scope, heard, said)
        finally:
            if scope["method"] == "POST" and (gone or not whole):
                self._cut.add(name)

    async def _part_with_cut(self) -> None:
        """Who went away from an answer and has not come back is gone: whoever comes next knows nothing of it."""
        for name in [name for name in self._cut if not self._asking[name]]:
            self._cut.discard(name)
            transport = self._open.pop(name, None)
            if transport is not None:
                await transport.terminate()
            await self._vanished(name)

    async def _room(self) -> bool:
        """Tell whether there is room for one client more: one that asks nothing and listens to nothing makes way."""
        if len(self._open) < MCP_SESSIONS_MAX:
            return True
        idle = next((name for name in self._open if not self._asking[name]), None)
        if idle is not None:
            await self._open.pop(idle).terminate()
        return idle is not None

    async def _begun(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request without a session begins one, if it is one that may."""
        name = uuid4().hex
        transport = StreamableHTTPServerTransport(
            name,
            event_store=Replays(),
            security_settings=self._rules(),
            idle_timeout=MCP_IDLE_SECONDS,
        )
        self._open[name] = transport
        self._new.add(name)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._session(name, transport, ready))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        await ready
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = cast("int", message["status"])
            await send(message)

        self._asking[name] += 1
        try:
            await transport.handle_request(scope, receive, watched)
        finally:
            self._asking[name] -= 1
            if not 200 <= status < 300:
                self._open.pop(name, None)
                await transport.terminate()

    async def _session(
        self, name: str, transport: StreamableHTTPServerTransport, ready: asyncio.Future[None]
    ) -> None:
        try:
            async with transport.connect() as (read, write):
                ready.set_result(None)
                if transport.idle_scope is None:
                    await self._serve(read, write, name)
                else:
                    with transport.idle_scope:
                        await self._serve(read, write, name)
        finally:
            self._open.pop(name, None)
            self._new.discard(name)
            del self._asking[name]
            if not transport.is_terminated:
                await transport.terminate()

    def _shown(self) -> bytes:
        return f"Bearer {self._token}".encode()

    def _rules(self) -> TransportSecuritySettings:
        names = ["127.0.0.1", "localhost", "[::1]"]
        if not is_loopback(self._host):
            return TransportSecuritySettings(enable_dns_rebinding_protection=False)
        hosts = [*names, *(f"{name}:*" for name in names)]
        origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
        return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


async def _told(send: Send, status: int, words: str, code: int = -32600) -> None:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
