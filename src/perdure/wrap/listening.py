"""Gateway and door of a keeper, served. Loading this loads HTTP, which takes as long as all else that a keeper needs."""

import contextlib
import socket
from collections.abc import AsyncGenerator

from perdure.assembly.foreign.gateways import GatewaySettings
from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Session
from perdure.gateway.server import Hears
from perdure.gateway.sessions import SessionGateway
from perdure.wrap.door import Door
from perdure.wrap.order import KeepingOrder


@contextlib.asynccontextmanager
async def served(
    order: KeepingOrder,
    settings: GatewaySettings,
    session: Session,
    door: Door,
    reply: LastReply,
    hears: Hears,
) -> AsyncGenerator[None]:
    """Gateway and ``door`` are served within, and streams end before what they speak of does."""
    gateway = SessionGateway(
        settings,
        session,
        socket.socket(fileno=order.listener),
        reply=reply,
        expects=order.expects,
        toolless=order.toolless,
        hears=hears if order.hooks else None,
    )
    await gateway.open()
    try:
        await door.open()
        yield
    finally:
        await door.close()
        await gateway.close()
