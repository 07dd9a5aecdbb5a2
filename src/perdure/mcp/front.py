"""One client's conversation: all that it says reaches its servers, and all that they say reaches it.

Invariants:
- Calls of tools go through the run; everything else passes as it is, in both directions.
- A call has one name in the run, made of the connection's and the request's: sent again after a crash it is the
  same call. A client that uses a request's id twice makes two calls.
- Whoever goes away is not waited for, and what was begun for it goes on to its outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol, cast

from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher, progress_token_from_params
from mcp.shared.message import SessionMessage
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
)

from perdure.assembly.foreign.answering import Asked, Waiting
from perdure.assembly.foreign.sessions import Session
from perdure.mcp.answering import result_of
from perdure.mcp.consent import consent_asked
from perdure.mcp.lines import Garbled
from perdure.mcp.link import (
    CANCELLED,
    INITIALIZE,
    INITIALIZED,
    TOOLS_CHANGED,
    Context,
    Link,
    Object,
    Params,
)
from perdure.mcp.performing import CALL, Calling, Performer
from perdure.mcp.routing import Routing
from perdure.values.digest import Json, canonical, digest
from perdure.values.errors import PerdureError

GONE: Final = "the client went away before it had the answer"
"""Why a call was released whose answer nobody took."""

_LAST_SECONDS: Final = 5.0
"""What the end of a client's only server means is told within so long; then its client is let go as well."""

PROGRESS: Final = "notifications/progress"


WhoseReply = Callable[[str, str, Mapping[str, Json], str], int]
"""Tells in whose reply a call was made: from its name, its tool, its arguments and the model's own id of it."""


class Backing(Protocol):
    """What a front needs of the hub that it belongs to."""

    performer: Performer
    patience: float

    async def learnt(self, link: Link) -> None:
        """The link's tools are declared to the run."""
        ...

    def later(self, work: Awaitable[None]) -> None:
        """``work`` is done though whoever wanted it is gone."""
        ...


class Front:
    """One client's connection."""

    def __init__(
        self,
        session: Session,
        backing: Backing,
        routing: Routing,
        *,
        connection: str,
        of: WhoseReply,
        greeted: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        """Hold the ``routing`` to the servers; nothing is connected before the client says hello."""
        self.released: list[str] = []
        """calls under way when the client went away, by their names in the run"""
        self._session: Session = session
        self._backing: Backing = backing
        self._routing: Routing = routing
        self._connection: str = connection
        self._of: WhoseReply = of
        self._greeted: Callable[[str], Awaitable[None]] | None = greeted
        self._line: JSONRPCDispatcher[TransportContext] | None = None
        self._hello: Object = {}
        self._greeting: asyncio.Event | None = None
        self._open: dict[int, tuple[Context, Link | None, Json]] = {}
        self._seen: dict[str, int] = {}
        self._told: dict[str, str] = {}
        self._next: int = 0
        self._answered_all: asyncio.Event = asyncio.Event()
        self._answered_all.set()

    @property
    def client(self) -> str:
        """The client's name and version, as it gives them."""
        said = self._hello.get("clientInfo")
        named = cast("Object", said) if isinstance(said, dict) else {}
        return " ".join(str(named[each]) for each in ("name", "version") if named.get(each)) or "a client"

    async def run(
        self, read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage]
    ) -> None:
        """Serve until the client goes, or its only server has ended."""

        async def stumbled(error: Exception) -> None:
            if isinstance(error, Garbled) and error.request is not None:
                told = ErrorData(code=PARSE_ERROR, message="the request can't be read as JSON in UTF-8")
                await write.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=error.request, error=told)))

        self._line = JSONRPCDispatcher(read, write, on_stream_exception=stumbled)
        talk = asyncio.get_running_loop().create_task(self._line.run(self._on_request, self._on_notify))
        ended = asyncio.get_running_loop().create_task(self._routing.ended())
        try:
            await asyncio.wait((talk, ended), return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                # What came last from the server is still on its way to the client.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._answered_all.wait(), _LAST_SECONDS)
        finally:
            ended.cancel()
            talk.cancel()
            await asyncio.wait((talk, ended))

    # -- what the client says ------------------------------------------------------------------------

    async def _on_request(self, context: Context, method: str, params: Params) -> Object:
        number = self._next = self._next + 1
        self._open[number] = (context, None, progress_token_from_params(params))
        self._answered_all.clear()
        try:
            if method == INITIALIZE:
                return await self._greet(params)
            if self._greeting is not None:
                # Some clients send on before they have the answer to their hello.
                await self._greeting.wait()
            if not self._routing.links:
                return _too_early(method)
            if method == CALL:
                return await self._call(number, context, params)
            return await self._routing.request(method, params, lambda link: self._goes_to(number, link))
        finally:
            self._open.pop(number, None)
            if not self._open:
                self._answered_all.set()

    async def _on_notify(self, context: Context, method: str, params: Params) -> None:
        del context
        if method == CANCELLED:
            return
        if self._greeting is not None:
            await self._greeting.wait()
        await self._routing.notify(method, params)
        if method == INITIALIZED:
            for link in self._routing.links:
                self._backing.later(link.learn())

    async def _greet(self, params: Params) -> Object:
        if self._routing.links:
            raise MCPError(INVALID_REQUEST, "initialize came before on this connection")
        self._hello = dict(params or {})
        self._greeting = asyncio.Event()
        try:
            answer = await self._routing.introduce(self._hello, self)
            if self._greeted is not None:
                await self._greeted(self.client)
            return answer
        finally:
            self._greeting.set()

    def _goes_to(self, number: int, link: Link) -> None:
        if number in self._open:
            context, _, token = self._open[number]
            self._open[number] = (context, link, token)

    # -- calls of tools ------------------------------------------------------------------------------

    async def _call(self, number: int, context: Context, params: Params) -> Object:
        given = dict(params or {})
        link, tool = self._routing.tool(str(given.get("name", "")))
        self._goes_to(number, link)
        arguments = given.get("arguments")
        if arguments is not None and not isinstance(arguments, dict):
            raise MCPError(INVALID_PARAMS, "the arguments of a tool are an object")
        try:
            known = await link.known(tool)
        except PerdureError as error:
            raise _said(error) from error
        if not known:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {given.get('name')}")
        calling = _sayable(Calling(link, tool, {**given, "name": tool}))
        name = self._named(str(context.request_id))
        self._backing.performer.expect(calling)
        try:
            answer = await self._answered(name, calling)
        except asyncio.CancelledError:
            if context.cancel_requested.is_set():
                calling.cancel()
                self._backing.later(self._cancelled(name, calling))
            else:
                self.released.append(name)
                self._backing.performer.forget(calling)
                self._backing.later(self._session.release(name, GONE))
            raise
        except PerdureError as error:
            self._backing.performer.forget(calling)
            raise _said(error) from error
        except MCPError:
            self._backing.performer.forget(calling)
            raise
        self._backing.performer.forget(calling)
        return answer

    async def _cancelled(self, name: str, calling: Calling) -> None:
        """The run knows that nobody waits; a deed that was promised and not begun finds that it is not wanted."""
        await self._session.release(name, "the client cancelled it")
        record = self._session.state.live.received.get(name)
        if calling.begun or record is None or not record.accepted:
            self._backing.performer.forget(calling)

    async def _answered(self, name: str, calling: Calling) -> Object:
        asks: list[asyncio.Task[None]] = []

        async def on_wait(waiting: Waiting) -> None:
            if self._line is not None and waiting.kind == "waits":
                work = consent_asked(self._session, self, calling, waiting, self._hello)
                asks.append(asyncio.get_running_loop().create_task(work))

        of = self._of(name, calling.name, calling.arguments, calling.use)
        asked = Asked(name, calling.name, calling.arguments, of)
        try:
            answer = await self._session.call(asked, patience=self._backing.patience, on_wait=on_wait)
        finally:
            for each in asks:
                each.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
        if answer.kind == "failed" and calling.error is not None:
            raise calling.error
        return result_of(answer, self._session.run)

    def _named(self, request: str) -> str:
        """Return the call's name: a second use of the same id on one connection is another call."""
        used = self._seen[request] = self._seen.get(request, 0) + 1
        plain = f"{self._connection}.{request}"
        return plain if used == 1 else f"{plain}.{used}"

    # -- what servers say ----------------------------------------------------------------------------

    async def asked(self, link: Link, method: str, params: Params) -> Object:
        """Return the client's answer to a server's request, on the stream of the call that led to it."""
        sent = self._routing.outward(link, params)
        context = self._related(link)
        if context is not None:
            with suppress(NoBackChannelError):
                return cast("Object", await context.send_raw_request(method, sent))
        if self._line is None:
            raise MCPError(CONNECTION_CLOSED, "the client is gone")
        return cast("Object", await self._line.send_raw_request(method, sent))

    async def noted(self, link: Link, method: str, params: Params) -> None:
        """Pass a server's notification on."""
        context = self._progressing(params) if method == PROGRESS else self._related(link)
        if context is not None:
            await context.notify(method, params)
        elif self._line is not None and method != PROGRESS:
            await self._line.notify(method, params)

    async def learnt(self, link: Link, *, changed: bool) -> None:
        """Have the tools declared; the client hears of changes that are any."""
        await self._backing.learnt(link)
        now = digest(canonical(cast("Json", link.tools)))
        was = self._told.get(link.server.name)
        self._told[link.server.name] = now
        if changed and was != now and self._line is not None:
            await self._line.notify(TOOLS_CHANGED, None)

    def _related(self, link: Link) -> Context | None:
        """Return the client's newest open request to that server, if there is one."""
        for context, to, _ in reversed(self._open.values()):
            if to is link and context.can_send_request:
                return context
        return None

    def _progressing(self, params: Params) -> Context | None:
        token = (params or {}).get("progressToken")
        return next(
            (context for context, _, mine in self._open.values() if mine is not None and mine == token), None
        )


def _sayable(calling: Calling) -> Calling:
    """Return the call if its arguments have a form that can be recorded."""
    try:
        canonical(calling.arguments)
    except ValueError as error:
        raise MCPError(INVALID_PARAMS, str(error)) from error
    return calling


def _said(error: PerdureError) -> MCPError:
    return MCPError(INVALID_REQUEST, f"perdure {error.code}: {error} ({error.hint})")


def _too_early(method: str) -> Object:
    if method == "ping":
        return {}
    if method == "server/discover":
        # Clients that could do without a handshake take this to mean that we can't, and shake hands.
        raise MCPError(METHOD_NOT_FOUND, "Method not found: server/discover")
    raise MCPError(INVALID_REQUEST, f"{method} came before initialize")
