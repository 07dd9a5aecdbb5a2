"""A client in this process, before servers that are processes, with the hub and the run between them."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp_types import METHOD_NOT_FOUND

from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.contract import Contract
from perdure.log.envelope import unseal
from perdure.log.events import KINDS
from perdure.mcp.effects import Effects
from perdure.mcp.hub import Hub
from perdure.mcp.servers import Server

PLAIN = Path(__file__).with_name("plain_server.py")
SECONDS = 60.0
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"sampling": {}, "roots": {"listChanged": True}},
    "clientInfo": {"name": "tester", "version": "7", "extra": "kept"},
}

Answerer = Callable[[Any], Awaitable[dict[str, Any]]]


def plain(book: Path, name: str = "plain") -> Server:
    return Server(name, "stdio", (sys.executable, str(PLAIN), str(book)))


def said(result: dict[str, Any]) -> str:
    """Return the text of a tool's result."""
    return " ".join(block.get("text", "") for block in result["content"])


def paid(book: Path) -> list[dict[str, Any]]:
    """Return what the server has in its book."""
    return [json.loads(line) for line in book.read_text().splitlines()] if book.exists() else []


class Client:
    """One client's end of a connection."""

    def __init__(self, line: JSONRPCDispatcher[Any]) -> None:
        self.line = line
        self.notes: list[tuple[str, Any]] = []
        self.answers: dict[str, Answerer] = {}
        self.news = asyncio.Condition()
        self.leave: Callable[[], object] = lambda: None
        self.served: asyncio.Task[tuple[str, ...]] | None = None

    async def ask(
        self, method: str, params: Any = None, options: CallOptions | None = None
    ) -> dict[str, Any]:
        return await asyncio.wait_for(self.line.send_raw_request(method, params, options), SECONDS)

    async def call(self, tool: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
        return await self.ask("tools/call", {"name": tool, "arguments": arguments or {}, **more})

    async def hello(self, hello: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self.ask("initialize", hello or HELLO)
        await self.line.notify("notifications/initialized", None)
        return answer

    async def heard(self, found: Callable[[list[tuple[str, Any]]], bool]) -> None:
        """Return once what was heard is as ``found`` wants it."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: found(self.notes)), SECONDS)

    async def gone(self) -> tuple[str, ...]:
        """Go away; return the calls that were given up."""
        self.leave()
        assert self.served is not None
        return await asyncio.wait_for(self.served, SECONDS)

    async def on_request(self, context: Any, method: str, params: Any) -> dict[str, Any]:
        del context
        if method not in self.answers:
            raise MCPError(METHOD_NOT_FOUND, method)
        return await self.answers[method](params)

    async def on_notify(self, context: Any, method: str, params: Any) -> None:
        del context
        async with self.news:
            self.notes.append((method, params))
            self.news.notify_all()


class House:
    """A run, its servers, and clients as they come."""

    def __init__(self, session: Session, hub: Hub, words: list[str]) -> None:
        self.session = session
        self.hub = hub
        self.words = words
        self._clients = 0

    @asynccontextmanager
    async def client(self, name: str = "", server: str = "") -> AsyncGenerator[Client]:
        self._clients += 1
        to_us, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_client, from_us = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        line: JSONRPCDispatcher[Any] = JSONRPCDispatcher(from_us, to_us)
        client = Client(line)
        serving = self.hub.serve(
            self.session,
            from_client,
            to_client,
            connection=name or f"t{self._clients}",
            server=server,
        )
        client.served = asyncio.ensure_future(serving)
        task = asyncio.ensure_future(line.run(client.on_request, client.on_notify))
        client.leave = task.cancel
        await asyncio.sleep(0)
        try:
            yield client
        finally:
            task.cancel()
            await asyncio.wait((task, client.served), timeout=SECONDS)

    def kinds(self) -> list[str]:
        """Return the kinds of the run's events."""
        books = self.session.store.books
        names = {body: kind for kind, body in KINDS.items()}
        return [names[type(unseal(stored).body)] for stored in books.read(self.session.run, 0, 10_000)]

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once ``true`` holds, looked at whenever an event is on disk and now and then."""
        books, mark = self.session.store.books, -1
        async with asyncio.timeout(SECONDS):
            while not true():
                mark = await asyncio.to_thread(books.watch, mark, 0.05)


@asynccontextmanager
async def standing(
    at: Path,
    *servers: Server,
    effects: Effects | None = None,
    contract: Contract | None = None,
    patience: float = 20.0,
    run: str = "mcp-test",
) -> AsyncGenerator[House]:
    store = await asyncio.to_thread(open_store, at / "store")
    words: list[str] = []
    hub = Hub(servers, effects or Effects(), patience=patience, say=words.append)
    try:
        await hub.start()
        if contract is not None:
            await hub.discover()
        foreign = Foreign("mcp", hub.declarations(), contract or Contract())
        session = await Session.open(store, run, foreign, hub.tools)
        try:
            yield House(session, hub, words)
            await hub.settled(SECONDS)
        finally:
            await session.close()
    finally:
        await hub.close()
        await asyncio.to_thread(store.close)
