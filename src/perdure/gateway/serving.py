"""A gateway in this process: from its settings to its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from perdure.assembly.clock import SystemClock
from perdure.assembly.foreign.conversations import Conversations
from perdure.assembly.foreign.gateways import GatewaySettings, checked
from perdure.assembly.pricing import open_price_book
from perdure.assembly.store import open_store
from perdure.assembly.stores.addresses import Location, address_of
from perdure.gateway.desk import Desk
from perdure.gateway.server import Gateway
from perdure.gateway.tidying import collect, collected_in_quiet
from perdure.gateway.upstream import Upstream

KEY: Final = "gateway.key"
"""The file in the store that keeps digests of credentials from being looked up in a table made elsewhere."""

_KEY_BYTES: Final = 32

SWITCH_SECONDS: Final = 0.0005
"""How long one thread keeps the interpreter while another waits: the one that writes the log gives it back and takes
it again for each row, and would wait ten times as long each time."""


async def serve(settings: GatewaySettings, *, listening: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve until ``stop``; ``listening`` hears the port once requests are taken.

    Raises ``GatewayExposed``, ``Unlistenable``, and what opening the store raises.
    """
    checked(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    store = await asyncio.to_thread(open_store, settings.store)
    await asyncio.to_thread(open_price_book)
    try:
        conversations = Conversations(store.books, SystemClock())
        desk = Desk(settings, conversations, Upstream(), key_of(settings.store))
        gateway = Gateway(settings, desk)
        tidying = asyncio.get_running_loop().create_task(collect(desk.is_busy))
        try:
            await gateway.open()
            listening(gateway.port)
            with collected_in_quiet():
                await stop.wait()
        finally:
            tidying.cancel()
            await gateway.close()
    finally:
        await asyncio.to_thread(store.close)


async def serve_until_told(settings: GatewaySettings, listening: Callable[[int], None]) -> None:
    """Serve until a signal says to end; a second one ends without waiting for streams."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = loop.create_task(serve(settings, listening=listening, stop=stop))

    def told() -> None:
        if stop.is_set():
            work.cancel()
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, told)
    try:
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)


def key_of(location: Location) -> bytes:
    """Return the key of the gateways of ``store``; it is made with the first, and readable to its user alone."""
    store = address_of(location).local
    path = store / KEY
    if not path.exists():
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = store / f"{KEY}.{os.getpid()}"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(made)  # of two gateways that begin at once, the first one's counts
        made.unlink()
    return path.read_bytes()
