"""The client's MCP servers behind its run. Loading this loads the SDK, which takes a while: only where there are some."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from perdure.assembly.foreign.replies import LastReply, names_in
from perdure.assembly.foreign.sessions import Session
from perdure.driver.port import Tools
from perdure.intention.declaration import Declaration
from perdure.mcp.effects import effects_of
from perdure.mcp.hub import Hub
from perdure.mcp.lines import line_streams
from perdure.values.digest import Json
from perdure.wrap.order import KeepingOrder, Words
from perdure.wrap.serverless import of_client


class Serving:
    """Real servers, and the connections of shims to them."""

    def __init__(self, order: KeepingOrder, known: Sequence[Declaration], say: Callable[[str], None]) -> None:
        """Stand before the servers of ``order``; ``known`` is what the run has declared. Raises ``BadInput``."""
        effects = effects_of(Path(order.effects) if order.effects else None)
        known = [each for each in known if not of_client(each)]
        self._hub: Hub = Hub(order.servers, effects, patience=order.patience, say=say, known=known)

    @property
    def tools(self) -> Tools:
        """What the run performs its deeds with."""
        return self._hub.tools

    def declarations(self) -> tuple[Declaration, ...]:
        """Return the servers' tools as far as they are known."""
        return self._hub.declarations()

    async def start(self) -> None:
        """Return if every server can be started. Raises ``BadInput``, naming the one that can't."""
        await self._hub.start()

    async def serve(
        self,
        session: Session,
        reply: LastReply,
        words: Words,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Carry one connection of a shim, until either side ends it; ``reply`` tells whose calls come."""

        def of(call: str, tool: str, arguments: Mapping[str, Json], use: str) -> int:
            return reply.found(call, *names_in(tool), arguments, use).of

        async def adopt(tools: tuple[Declaration, ...]) -> None:
            own = (each for each in session.foreign.tools if of_client(each))
            await session.adopt((*tools, *own))

        server, connection = str(words.get("server", "")), str(words.get("connection", ""))
        async with line_streams(reader, writer) as (read, write):
            await self._hub.serve(
                session, read, write, connection=connection, server=server, adopt=adopt, of=of
            )

    async def close(self) -> None:
        """No server is left."""
        await self._hub.close()
