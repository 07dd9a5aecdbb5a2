"""A gateway before MCP servers in this process: one run, its clients, and their servers, from start to end."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from perdure.assembly.foreign.declared import tools_declared
from perdure.assembly.foreign.gateways import is_loopback
from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import Store, open_store
from perdure.contract import Contract
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.mcp.front import GONE
from perdure.mcp.hub import Hub
from perdure.mcp.lines import line_streams
from perdure.mcp.listening import Listening
from perdure.mcp.settings import Standing
from perdure.mcp.starting import checked
from perdure.mcp.taken import Handed, goes_back_to, newest_calls, untaken
from perdure.values.errors import BadInput, GatewayExposed, Held
from perdure.values.limits import MCP_LAST_SECONDS, MCP_LINE_BYTES_MAX, MCP_SESSIONS_MAX, READ_PAGE_EVENTS

AGENT: Final = "mcp"
"""Whose run it is, as the log names it; a client's own name is told when it attaches."""

_PAUSE_SECONDS: Final = 0.2


class Lines(NamedTuple):
    """The client on the standard streams."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    descriptor: int
    """of what is written to it"""


class House(NamedTuple):
    """What stands while a gateway does."""

    session: Session
    hub: Hub


@asynccontextmanager
async def standing(settings: Standing, say: Callable[[str], None]) -> AsyncGenerator[House]:
    """Open the run and have its servers ready to be started; at the end none of them lives.

    Raises ``Held``, ``BadInput``, ``BadContract``, ``ServerFailed``, and what opening the store raises.
    """
    store = await asyncio.to_thread(open_store, settings.store)
    try:
        house = await _free(store, settings, say)
        try:
            yield house
            await house.hub.settled(MCP_LAST_SECONDS)
        finally:
            await house.session.close()
            await house.hub.close()
    finally:
        await asyncio.to_thread(store.close)


async def _free(store: Store, settings: Standing, say: Callable[[str], None]) -> House:
    """Open the run that is meant; where none is named and another client has it, one of its own."""
    if settings.run:
        return await _left(store, settings, settings.run, say)
    first = f"mcp-{settings.servers[0].name if len(settings.servers) == 1 else 'servers'}"
    for number in range(1, MCP_SESSIONS_MAX):
        run = first if number == 1 else f"{first}-{number}"
        try:
            house = await _left(store, settings, run, say)
        except Held:
            if not await asyncio.to_thread(_is_leaving, store, run):
                continue
            raise  # in a run of its own its client would repeat what is under way in this one
        if number > 1:
            say(f"another client has {first}, so this is run {run}, which has receipts of its own")
        return house
    return await _begun(store, settings, first, say)


async def _left(store: Store, settings: Standing, run: str, say: Callable[[str], None]) -> House:
    """Open the run; where a client has left it, and what it had begun is still under way, wait for the end of that.

    Raises ``Held`` where a client is there or on its way, or what is under way doesn't end.
    """
    loop = asyncio.get_running_loop()
    latest, told = loop.time() + 2 * MCP_LAST_SECONDS, False
    while True:
        try:
            return await _begun(store, settings, run, say)
        except Held:
            if not await asyncio.to_thread(_is_leaving, store, run) or loop.time() > latest:
                raise
        if not told:
            told = True
            say(f"the client before this one has left {run}; what it had begun is waited for")
        await asyncio.sleep(_PAUSE_SECONDS)


def _is_leaving(store: Store, run: str) -> bool:
    """Tell whether the client has left for which ``run`` is held; one that hasn't come yet has not."""
    state = store.state(run)
    if state.live.client:
        return False
    for stored in reversed(
        store.books.read(run, max(0, state.position - READ_PAGE_EVENTS), READ_PAGE_EVENTS)
    ):
        match unseal(stored).body:
            case e.ClientAttached():
                return True
            case e.LeaseAcquired():
                return False
            case _:
                pass
    return True


async def _begun(store: Store, settings: Standing, run: str, say: Callable[[str], None]) -> House:
    known = await asyncio.to_thread(tools_declared, store, run)
    hub = Hub(settings.servers, settings.effects, patience=settings.patience, say=say, known=known)
    await hub.start()
    try:
        if settings.contract != Contract() and not known:
            # It may name tools: they have to be known before it can be judged.
            await hub.discover()
        foreign = Foreign(AGENT, hub.declarations(), settings.contract)
        session = await Session.open(store, run, foreign, hub.tools, take_over=settings.take_over)
    except BaseException:
        await hub.close()
        raise
    crashed = session.state.live.client
    to = goes_back_to(session.state, newest_calls(session.state) if crashed else frozenset())
    await _goes_back(session, to)
    if crashed:
        await session.left("perdure's process ended while it was there")
    return House(session, hub)


async def went(session: Session, lost: frozenset[str]) -> None:
    """The client has gone; what it did not hear of is behind an abandoned tail from here on."""
    await _goes_back(session, goes_back_to(session.state, lost))
    if session.state.live.client:
        await session.left("it closed the connection")


async def _goes_back(session: Session, to: int | None) -> None:
    if to is not None:
        await session.went_back(to, "the client went away without having taken every answer")


async def serve_here(settings: Standing, say: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve the client on the standard streams until it goes, its only server has ended, or ``stop`` is set."""
    lines = await _standard_streams()
    async with standing(settings, say) as house:
        session, hub = house
        connection = f"c{session.state.position}"
        handed = Handed(lines.descriptor, connection)
        try:
            async with line_streams(lines.reader, lines.writer, handed) as streams:
                work = hub.serve(
                    session, streams.read, streams.write, connection=connection, greeted=session.attached
                )
                await _until(work, stop)
            # Told at once: whoever comes next waits for what is still under way, and for no living client.
            await went(session, handed.lost(session.state))
            await hub.settled(MCP_LAST_SECONDS)
        finally:
            handed.close()


async def serve_there(
    settings: Standing, say: Callable[[str], None], stop: asyncio.Event, listening: Callable[[int, str], None]
) -> None:
    """Serve clients over HTTP until ``stop``; ``listening`` hears the port once they may come.

    Raises ``GatewayExposed``, ``Unlistenable``.
    """
    if not settings.token and not is_loopback(settings.host):
        raise GatewayExposed(f"--host {settings.host} lets other machines in, and no --token keeps them out")
    async with standing(settings, say) as (session, hub):
        open_now = 0

        async def serve(
            read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage], name: str
        ) -> None:
            nonlocal open_now
            open_now += 1
            try:
                await hub.serve(session, read, write, connection=f"h{name[:12]}", greeted=session.attached)
            finally:
                open_now -= 1
                if not open_now and not stop.is_set():
                    hub.later(went(session, frozenset()))

        async def vanished(name: str) -> None:
            # Others may be there, so the run doesn't go back: what this one alone hasn't heard is unknown to it.
            for call in untaken(session.state, f"h{name[:12]}"):
                await session.tell(e.CallReleased(call, GONE))

        front = Listening(settings.host, settings.port or 0, settings.token, serve, vanished)
        await front.open()
        try:
            listening(front.port, session.run)
            await stop.wait()
        finally:
            await front.close()
        await hub.settled(MCP_LAST_SECONDS)
        await went(session, frozenset())


async def _until(work: Coroutine[None, None, tuple[str, ...]], stop: asyncio.Event) -> None:
    served = asyncio.ensure_future(work)
    told = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((served, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        served.cancel()
        await asyncio.wait((served,))
    if not served.cancelled():
        served.result()


async def _standard_streams() -> Lines:
    """Return the streams to the client; what else in this process writes there goes to standard error.

    Raises ``BadInput`` where they are nothing that a client could be behind.
    """
    loop = asyncio.get_running_loop()
    into, out_of = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    reader = asyncio.StreamReader(limit=MCP_LINE_BYTES_MAX)
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(into, "rb", 0))
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(out_of, "wb", 0)
        )
    except ValueError as error:
        raise BadInput(
            "standard input and output are files, not a client's pipes",
            hint="an MCP client starts this command: put it into its settings in the server's place, or --listen",
        ) from error
    return Lines(reader, asyncio.StreamWriter(transport, protocol, None, loop), out_of)


async def until_told(
    settings: Standing, say: Callable[[str], None], listening: Callable[[int, str], None]
) -> None:
    """Serve until the client goes or a signal says to end.

    Raises ``BadInput`` before anything is begun, and what ``serve_here`` and ``serve_there`` raise.
    """
    for server in settings.servers:
        checked(server)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(each, stop.set)
    try:
        if settings.port is None:
            await serve_here(settings, say, stop)
        else:
            await serve_there(settings, say, stop, listening)
    finally:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(each)
