"""The gateway of a wrapped client, in the process that keeps its session.

The main conversation is written into the session's run, through the session; all that is shared with a gateway of its own
process stands in ``serving``.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from perdure.assembly.foreign.conversations import Conversations
from perdure.assembly.foreign.gateways import GatewaySettings, checked
from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Session
from perdure.assembly.pricing import open_price_book
from perdure.gateway.desk import Desk
from perdure.gateway.main_loop import MainLoop
from perdure.gateway.server import Gateway, Hears
from perdure.gateway.serving import SWITCH_SECONDS, key_of
from perdure.gateway.tidying import collect, collected_in_quiet
from perdure.gateway.upstream import Upstream


class SessionGateway:
    """The gateway of one wrapped client."""

    def __init__(
        self,
        settings: GatewaySettings,
        session: Session,
        listener: socket.socket | None = None,
        *,
        reply: LastReply | None = None,
        expects: Sequence[str] = (),
        toolless: bool = False,
        hears: Hears | None = None,
    ) -> None:
        """Write into the run of ``session``, and into runs of the same store. Needs a running loop.

        ``listener`` listens already and stays open; without it ``settings`` say where to listen. ``reply`` is told what
        the main loop's model calls. ``expects`` and ``toolless`` are those of ``MainLoop``; ``hears`` hears the client's
        hooks. Raises ``GatewayExposed``.
        """
        checked(settings)
        conversations = Conversations(session.store.books, session.clock)
        self.reply: LastReply = reply or LastReply()
        self._main: MainLoop = MainLoop(
            session, conversations, self.reply, expects=expects, toolless=toolless
        )
        self._settings: GatewaySettings = settings
        self._conversations: Conversations = conversations
        self._listener: socket.socket | None = listener
        self._hears: Hears | None = hears
        self._desk: Desk | None = None
        self._gateway: Gateway | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._quiet: ExitStack = ExitStack()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._gateway.port if self._gateway is not None else 0

    async def open(self) -> None:
        """Take requests. Raises ``Unlistenable``."""
        sys.setswitchinterval(SWITCH_SECONDS)
        await asyncio.to_thread(open_price_book)
        key = await asyncio.to_thread(key_of, self._settings.store)
        desk = self._desk = Desk(self._settings, self._conversations, Upstream(), key, self._main)
        gateway = Gateway(self._settings, desk, self._listener, self._hears)
        await gateway.open()
        self._gateway = gateway
        self._tidying = asyncio.get_running_loop().create_task(collect(desk.is_busy))
        self._quiet.enter_context(collected_in_quiet())

    def client_came(self) -> None:
        """A new process of the client asks from here on."""
        self._main.client_came()

    async def close(self) -> None:
        """Take no more requests, let streams end within their time, and give the runs back; the session stays open."""
        self._quiet.close()
        if self._tidying is not None:
            self._tidying.cancel()
        if self._gateway is not None:
            await self._gateway.close()
