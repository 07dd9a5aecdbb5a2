"""One conversation with a real server, held for one client.

Invariants:
- What the client and the server say to each other passes as it is; ids and cancellations are mapped by the SDK's
  dispatcher on either side, progress tokens stay as whoever asked chose them.
- What waits for a slow client is bounded: beyond it logging and progress are left out and that is said, requests
  are refused, and a change of a list is told once.
- A server's tools are known before the first of them is called, and again after it says that they changed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, Protocol, cast

import anyio
from anyio.abc import TaskStatus
from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, METHOD_NOT_FOUND

from perdure.mcp.lines import Overlong
from perdure.mcp.servers import Server
from perdure.mcp.starting import reached
from perdure.values.digest import Json
from perdure.values.errors import PerdureError
from perdure.values.limits import (
    MCP_ASKED_MAX,
    MCP_HELLO_SECONDS,
    MCP_LIST_PAGES_MAX,
    MCP_LIST_SECONDS,
    MCP_QUIET_SECONDS,
    MCP_TOOLS_MAX,
    MCP_WAITING_MAX,
)

Object = dict[str, Json]
Params = Mapping[str, Json] | None
Context = DispatchContext[TransportContext]

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "notifications/initialized"
CANCELLED: Final = "notifications/cancelled"
TOOLS_CHANGED: Final = "notifications/tools/list_changed"
_LOSSY: Final = frozenset({"notifications/message", "notifications/progress"})
_CLOSED: Final = "Connection closed"
"""The SDK's words where it is the connection that ended; a server may use the same code for errors of its own."""

_ENDS_SECONDS: Final = 5.0
_GARBAGE_TOLD: Final = 3
_LAST_LINES: Final = 20
_LAST_CHARACTERS: Final = 300


class Client(Protocol):
    """Whoever the server's own requests and notifications go to."""

    async def asked(self, link: "Link", method: str, params: Params) -> Object:
        """Return the client's answer; raises ``MCPError``."""
        ...

    async def noted(self, link: "Link", method: str, params: Params) -> None:
        """Pass a notification on."""
        ...

    async def learnt(self, link: "Link", *, changed: bool) -> None:
        """The server's tools are known; ``changed``: the server said that they are others now."""
        ...


class Link:
    """A connection to one server, which ends when ``close`` is called or the server is gone."""

    def __init__(self, server: Server, client: Client | None, say: Callable[[str], None]) -> None:
        """Hold the server; ``connect`` connects. Without a ``client`` its requests are refused."""
        self.server: Server = server
        self.client: Client | None = client
        self.tools: dict[str, Object] = {}
        self.capabilities: Object = {}
        self._say: Callable[[str], None] = say
        self._line: JSONRPCDispatcher[TransportContext] | None = None
        self._options: CallOptions = {}
        self._leave: asyncio.Event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listed: asyncio.Event = asyncio.Event()
        self._listing: asyncio.Lock = asyncio.Lock()
        self._under_way: int = 0
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._waiting: int = 0
        self._asked: int = 0
        self._left_out: int = 0
        self._garbage: int = 0
        self.garbled: asyncio.Event = asyncio.Event()
        """the server has sent something that no message could be read from: an answer may have been lost"""
        self._quiet: asyncio.Task[None] | None = None
        self._why: str = ""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def open(self) -> bool:
        """Whether the server can still be asked."""
        return self._task is not None and not self._task.done() and not self._leave.is_set()

    async def connect(self) -> None:
        """Connect; raises ``MCPError`` where the server can't be reached."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._live(ready))
        await asyncio.shield(ready)

    async def introduce(self, params: Params) -> Object:
        """Begin the conversation in the client's own words; return the server's answer."""
        options: CallOptions = {"timeout": MCP_HELLO_SECONDS, "cancel_on_abandon": False}
        answer = await self.request(INITIALIZE, params, options)
        self.capabilities = _object(answer.get("capabilities"))
        version = answer.get("protocolVersion")
        if isinstance(version, str):
            # The transport over HTTP takes the version from what it is given first.
            self._options = {"headers": {"mcp-protocol-version": version}}
        return answer

    async def request(self, method: str, params: Params, options: CallOptions | None = None) -> Object:
        """Return the server's answer; raises ``MCPError``, with the server's own words where it has any."""
        if self._line is None or not self.open:
            raise MCPError(CONNECTION_CLOSED, self.gone())
        try:
            answer = await self._line.send_raw_request(method, params, {**self._options, **(options or {})})
        except MCPError as error:
            if error.error.code != CONNECTION_CLOSED or error.error.message != _CLOSED:
                raise
            # What the server said last is known once it has ended.
            if self._task is not None:
                await asyncio.wait((self._task,), timeout=_ENDS_SECONDS)
            raise MCPError(CONNECTION_CLOSED, self.gone()) from error
        return cast("Object", answer)

    async def notify(self, method: str, params: Params) -> None:
        """Tell the server."""
        if self._line is not None and self.open:
            await self._line.notify(method, params, self._options or None)

    def gone(self) -> str:
        """Return why the server can't be asked."""
        last = f": {self._last[-1][:_LAST_CHARACTERS]}" if self._last else ""
        return f"server {self.server.name} {self._why or 'has ended'}{last}"

    async def known(self, name: str) -> bool:
        """Tell whether the server has a tool ``name``; it is asked again if it isn't known."""
        if not self._listed.is_set():
            await self.learn()
        # Who lists them now has them declared before it lets go: a call is judged by what is declared.
        async with self._listing:
            there = name in self.tools
        if not there and "tools" in self.capabilities:
            await self.learn()
        return name in self.tools

    async def learn(self, *, changed: bool = False) -> None:
        """The server's tools are known, and whoever keeps the declarations has been told."""
        async with self._listing:
            if "tools" in self.capabilities:
                with suppress(MCPError):
                    self.tools = await self._list()
            if self.client is not None:
                await self.client.learnt(self, changed=changed)
            self._listed.set()

    @contextmanager
    def busy(self) -> Generator[None]:
        """A call of a tool has begun and has no outcome yet."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def idle(self, seconds: float) -> None:
        """Return once no call is under way, or none can be any more, or after ``seconds``."""
        if self._task is not None:
            quiet = asyncio.ensure_future(self._idle.wait())
            await asyncio.wait((quiet, self._task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            quiet.cancel()

    async def over(self) -> None:
        """Return once the conversation has ended, whoever ended it."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def close(self) -> None:
        """End the conversation and the server; nothing of it lives on when this returns."""
        self._leave.set()
        if self._quiet is not None:
            self._quiet.cancel()
        if self._task is not None:
            await asyncio.wait((self._task,))

    # -- inside --------------------------------------------------------------------------------------

    async def _live(self, ready: asyncio.Future[None]) -> None:
        try:
            async with reached(self.server, self._say, self._last) as (read, write):
                self._line = JSONRPCDispatcher(read, write, on_stream_exception=self._stumbled)
                await self._until_left(self._line, ready)
        except* Exception as errors:  # noqa: BLE001 - a server that fails in any way ends this link alone
            first = errors.exceptions[0]
            while isinstance(first, ExceptionGroup):
                first = cast("ExceptionGroup[Exception]", first).exceptions[0]
            self._why = self._why or f"can't be reached: {first}"
        finally:
            if not ready.done():
                ready.set_exception(MCPError(INTERNAL_ERROR, self.gone()))
            if not self._leave.is_set():
                self._say(self.gone())

    async def _until_left(
        self, line: JSONRPCDispatcher[TransportContext], ready: asyncio.Future[None]
    ) -> None:
        async def spoken(*, task_status: TaskStatus[None]) -> None:
            await line.run(self._on_request, self._on_notify, self._on_notice, task_status=task_status)
            over.set()

        over = anyio.Event()
        async with anyio.create_task_group() as group:
            await group.start(spoken)
            if not ready.done():
                ready.set_result(None)
            leaving = asyncio.ensure_future(self._leave.wait())
            ended = asyncio.ensure_future(over.wait())
            try:
                await asyncio.wait((leaving, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                ended.cancel()
                group.cancel_scope.cancel()
        if not self._leave.is_set():
            self._why = self._why or "has ended"

    async def _stumbled(self, error: Exception) -> None:
        self._garbage += 1
        self.garbled.set()
        if isinstance(error, Overlong):
            self._why = f"sent {error}"
            return
        if self._garbage <= _GARBAGE_TOLD:
            self._say(f"server {self.server.name} sent {error}")
        if self._garbage == _GARBAGE_TOLD:
            self._say(f"server {self.server.name}: what else isn't a message is left out without a word")

    def _on_notice(self, method: str, params: Params) -> bool:
        """Keep what waits within bounds; runs in the order in which messages come."""
        del params
        if method == TOOLS_CHANGED:
            self._put_off()
            return True
        if method == CANCELLED:
            return True
        if self._waiting >= MCP_WAITING_MAX and (method in _LOSSY or self._waiting >= 2 * MCP_WAITING_MAX):
            self._left_out += 1
            if self._left_out == 1:
                self._say(
                    f"server {self.server.name} says more than its client takes; some of it is left out"
                )
            return True
        self._waiting += 1
        return False

    async def _on_notify(self, context: Context, method: str, params: Params) -> None:
        del context
        try:
            if self.client is not None:
                await self.client.noted(self, method, params)
        finally:
            self._waiting -= 1

    async def _on_request(self, context: Context, method: str, params: Params) -> Object:
        del context
        if self.client is None:
            raise MCPError(METHOD_NOT_FOUND, f"no client is there to answer {method}")
        if self._asked >= MCP_ASKED_MAX:
            raise MCPError(INTERNAL_ERROR, f"{MCP_ASKED_MAX} requests are open with the client already")
        self._asked += 1
        try:
            return await self.client.asked(self, method, params)
        finally:
            self._asked -= 1

    def _put_off(self) -> None:
        """The tools are looked at again once no change came for a while: each change costs the client's cache."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().create_task(self._when_quiet())

    async def _when_quiet(self) -> None:
        await asyncio.sleep(MCP_QUIET_SECONDS)
        self._quiet = None
        try:
            await self.learn(changed=True)
        except PerdureError as error:
            # A contract that doesn't fit the new list refuses calls, which says so to whoever makes one.
            self._say(f"server {self.server.name} has changed its tools: {error}")

    async def _list(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        cursor: Json = None
        options: CallOptions = {"timeout": MCP_LIST_SECONDS}
        for _ in range(MCP_LIST_PAGES_MAX):
            page = await self.request("tools/list", None if cursor is None else {"cursor": cursor}, options)
            listed = page.get("tools")
            for tool in cast("list[Json]", listed) if isinstance(listed, list) else []:
                one = _object(tool)
                if isinstance(one.get("name"), str) and len(found) < MCP_TOOLS_MAX:
                    found[str(one["name"])] = one
            cursor = page.get("nextCursor")
            if not cursor:
                break
        return found


def _object(value: Json) -> Object:
    return cast("Object", value) if isinstance(value, dict) else {}
