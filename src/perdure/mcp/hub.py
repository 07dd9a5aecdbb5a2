"""Real servers behind one run, and the clients in front of them.

Each client's connection has servers of its own, started with that client's own words, as it would have without us:
what a client can do (sampling, elicitation, roots) is what its servers are told.

Invariants:
- A deed goes on when its client is gone, and so does the server that does it, until it has an outcome or time is up.
- When ``close`` returns no server lives, whatever became of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from perdure.assembly.foreign.sessions import Session
from perdure.driver.port import Tools
from perdure.intention.declaration import Declaration
from perdure.mcp.effects import Effects, declared, unknown_names
from perdure.mcp.front import Front, WhoseReply
from perdure.mcp.link import INITIALIZED, Link, Object
from perdure.mcp.performing import Performer
from perdure.mcp.routing import Routing
from perdure.mcp.servers import Server
from perdure.mcp.starting import checked
from perdure.values.digest import Json
from perdure.values.errors import BadInput, ServerFailed
from perdure.values.limits import MCP_LAST_SECONDS, MCP_PATIENCE_SECONDS

Adopt = Callable[[tuple[Declaration, ...]], Awaitable[None]]

HELLO: Final[Object] = {
    "protocolVersion": LATEST_HANDSHAKE_VERSION,
    "capabilities": {},
    "clientInfo": {"name": "perdure", "version": "1"},
}


def _unknown(call: str, tool: str, arguments: Mapping[str, Json], use: str) -> int:
    """Return 0: nobody knows in whose reply the call was made."""
    del call, tool, arguments, use
    return 0


class Hub:
    """Servers that are started when a client wants them, and the port through which a run has them do things."""

    def __init__(
        self,
        servers: Sequence[Server],
        effects: Effects,
        *,
        patience: float = MCP_PATIENCE_SECONDS,
        say: Callable[[str], None],
        known: Sequence[Declaration] = (),
    ) -> None:
        """Hold the ``servers``; ``known`` are tools that the run has declared before, until they are listed again."""
        self.servers: dict[str, Server] = {server.name: server for server in servers}
        self.effects: Effects = effects
        self.patience: float = patience
        self.performer: Performer = Performer(effects, self._alone, patience)
        self._say: Callable[[str], None] = say
        self._declared: dict[str, Declaration] = {tool.name: tool for tool in known}
        self._adopt: Adopt | None = None
        self._adopting: asyncio.Lock = asyncio.Lock()
        self._links: list[Link] = []
        self._own: dict[str, Link] = {}
        self._opening: asyncio.Lock = asyncio.Lock()
        self._later: set[asyncio.Task[None]] = set()
        self._said: set[str] = set()
        self._timed()

    @property
    def tools(self) -> Tools:
        """What the run performs its deeds with."""
        return self.performer

    async def start(self) -> None:
        """Return if every server could be started; raises ``BadInput``. None is started before a client is there."""
        if not self.servers:
            raise BadInput("no server is named", hint="give a command after --, --url or --config")
        for server in self.servers.values():
            checked(server)
        for words in self.effects.undecided():
            self._once(f"a person has to decide: {words}")

    async def discover(self) -> None:
        """Every server has been asked for its tools, by links of our own that end again: a contract may name them.

        Raises ``ServerFailed`` with all that could not be asked.
        """
        links = [Link(server, None, self._say) for server in self.servers.values()]
        try:
            failed = [words for words in await asyncio.gather(*map(self._discovered, links)) if words]
        finally:
            await asyncio.gather(*(link.close() for link in links))
        if failed:
            raise ServerFailed("; ".join(failed))

    def declarations(self) -> tuple[Declaration, ...]:
        """Return the tools known so far; a server's become known when its first client connects."""
        return tuple(self._declared[name] for name in sorted(self._declared))

    async def serve(
        self,
        session: Session,
        read: ReadStream[SessionMessage | Exception],
        write: WriteStream[SessionMessage],
        *,
        connection: str,
        server: str = "",
        of: WhoseReply = _unknown,
        adopt: Adopt | None = None,
        greeted: Callable[[str], Awaitable[None]] | None = None,
    ) -> tuple[str, ...]:
        """Serve one client until it goes; return the names of its calls whose answers it did not wait for.

        Without ``server`` it gets all servers as one. ``of`` says in whose reply a tool was called, ``adopt`` takes
        the tools in where the session's own ``adopt`` wouldn't do, ``greeted`` hears the client's name.
        """
        self._adopt = adopt or session.adopt
        links = [Link(each, None, self._say) for each in self._named(server)]
        routing = Routing(links, prefixed=len(links) > 1)
        front = Front(session, self, routing, connection=connection, of=of, greeted=greeted)
        self._links += links
        left: tuple[str, ...] = ()
        try:
            await front.run(read, write)
        finally:
            left = tuple(front.released)
            for link in links:
                link.client = None
                self.later(self._retired(link))
        return left

    async def settled(self, seconds: float = MCP_LAST_SECONDS) -> None:
        """Return once nothing is under way and nothing is left to be told, or after ``seconds``."""
        if self._later:
            await asyncio.wait(tuple(self._later), timeout=seconds)

    async def close(self) -> None:
        """End all servers; nothing of them lives on."""
        for task in tuple(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in (*self._links, *self._own.values())))

    async def learnt(self, link: Link) -> None:
        """The tools of ``link`` are declared to the run, if they weren't."""
        name = link.server.name
        async with self._adopting:
            known = {
                key: tool for key, tool in self._declared.items() if not key.startswith(link.server.tool(""))
            }
            tools = [declared(name, tool, self.effects) for tool in link.tools.values()]
            known |= {tool.name: tool for tool in tools}
            for words in unknown_names(name, tuple(link.tools.values()), self.effects):
                self._once(f"the effects file: {words}")
            if known != self._declared:
                self._declared = known
                self._timed()
                if self._adopt is not None:
                    await self._adopt(self.declarations())

    def later(self, work: Awaitable[None]) -> None:
        """``work`` is done though whoever wanted it is gone; what it fails at is said."""
        task = asyncio.ensure_future(self._tried(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # -- inside --------------------------------------------------------------------------------------

    async def _discovered(self, link: Link) -> str:
        try:
            await link.connect()
            await link.introduce(HELLO)
            await link.notify(INITIALIZED, None)
            await link.learn()
        except MCPError as error:
            return f"{link.server.name}: {error.error.message}"
        await self.learnt(link)
        return ""

    def _named(self, server: str) -> list[Server]:
        if not server:
            return list(self.servers.values())
        found = self.servers.get(server)
        if found is None:
            raise BadInput(
                f"there is no server {server!r}", hint=f"there are: {', '.join(sorted(self.servers))}"
            )
        return [found]

    def _timed(self) -> None:
        self.performer.seconds = {tool.name: tool.timeout / 1e9 for tool in self._declared.values()}
        self.performer.reads = frozenset(
            tool.name for tool in self._declared.values() if tool.effect == "read"
        )

    async def _tried(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody is there to hear of it, so it is said
            self._say(f"{error}")

    async def _retired(self, link: Link) -> None:
        """End a link whose client is gone, once nothing is under way on it."""
        await link.idle(MCP_LAST_SECONDS)
        await link.close()
        self._links.remove(link)

    async def _alone(self, server: str) -> Link:
        """Return a link for deeds that no client waits for; raises ``MCPError``."""
        async with self._opening:
            link = self._own.get(server)
            if link is not None and link.open:
                return link
            if server not in self.servers:
                raise MCPError(CONNECTION_CLOSED, f"there is no server {server} any more")
            link = Link(self.servers[server], None, self._say)
            await link.connect()
            try:
                await link.introduce(HELLO)
                await link.notify(INITIALIZED, None)
            except MCPError:
                await link.close()
                raise
            self._own[server] = link
            return link

    def _once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self._say(words)
