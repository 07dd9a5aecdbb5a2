"""What a keeper does: it holds the run of one wrapped session, and serves its client.

Invariants:
- It lives in a session of its own: what the terminal sends to the client's group never reaches it.
- It is ready when it says so: the run is held, and nothing that its user asked for can be refused any more. Gateway and
  door, which listen already, are served while the client is still starting.
- It ends after its client: when it is told so, or when the pipe of orders ends, since then the wrapper was killed.
  What was begun is recorded first, the run is given back, and no server is left.
- A keeper that is killed leaves a log that the next one goes on with; clients wait at sockets that the wrapper holds.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from perdure.assembly.foreign.gateways import GatewaySettings, checked
from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.foreign.wraps import hold_folder
from perdure.assembly.store import Store, open_store
from perdure.assembly.stores.addresses import address_of
from perdure.contract import Contract, Law
from perdure.values.errors import BadContract, NotWrapped, PerdureError, RunExists
from perdure.values.limits import DEEDS_END_SECONDS, KEEPER_NOTES_MAX
from perdure.wrap.crews import Crew, dismiss
from perdure.wrap.door import Door, until_gone
from perdure.wrap.hooks.builtins import builtins_of
from perdure.wrap.hooks.heard import heard
from perdure.wrap.hooks.posted import heard_posted
from perdure.wrap.order import (
    ClientEnded,
    ClientStarted,
    KeepingOrder,
    Ready,
    Refused,
    Said,
    Words,
    line_of,
    told_in,
)
from perdure.wrap.serverless import NoServers
from perdure.wrap.standing import summary_of

if TYPE_CHECKING:
    from perdure.wrap.serving import Serving

AGENT: Final = "wrap:"
"""What the name of a wrapped client's agent begins with in the log."""

_PAUSE_SECONDS: Final = 0.05

_UNHEARD: Final = (
    "correct the line it names; if it is about the client's own tools: its hooks aren't heard here, so no contract "
    "can judge those (--no-hooks, a client without hooks, or one that runs only what its user has trusted; where you "
    "have trusted them, say --hooks)"
)


class Keeping:
    """One session, kept."""

    def __init__(self, order: KeepingOrder, session: Session, servers: "Serving | None") -> None:
        """Serve the client of ``order``."""
        self._order: KeepingOrder = order
        self._session: Session = session
        self._servers: Serving | None = servers
        self._crew: Crew | None = None
        self._left: str = ""
        self.over: asyncio.Event = asyncio.Event()
        self.reply: LastReply = LastReply()
        """what the model said last: the calls that come are of it"""

    def guests(self) -> Door:
        """Return the door behind which this session is."""
        listener = socket.socket(fileno=self._order.door)
        guests = {"mcp": self._serve_server, "hook": self._hear_hook, "health": self._say_health}
        return Door(listener, guests)

    async def obey(self, orders: asyncio.StreamReader) -> None:
        """Take what the wrapper says until it or its client has ended."""
        while line := await orders.readline():
            match told_in(line):
                case ClientStarted(crew=crew):
                    self._crew = crew
                case ClientEnded(words=words):
                    self._left = words
                    break
                case KeepingOrder():
                    continue
        else:
            self._left = "its wrapper was killed"
            if self._crew is not None:
                await asyncio.to_thread(dismiss, self._crew)
        self.over.set()

    def told_to_end(self) -> None:
        """A signal says so."""
        self._left = self._left or "the keeper was told to end"
        self.over.set()

    @property
    def left(self) -> str:
        """Why the client isn't there any more."""
        return self._left

    async def _serve_server(
        self, words: Words, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Words | None:
        if self._servers is None:
            return {"error": {"message": "this client has no MCP servers"}}
        await self._servers.serve(self._session, self.reply, words, reader, writer)
        return None

    async def _hear_hook(
        self, words: Words, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Words | None:
        del writer
        return await until_gone(
            reader, heard(self._session, words, reply=self.reply, patience=self._order.patience)
        )

    async def hear_posted(self, client: str, body: bytes) -> bytes:
        """Hear a hook that the client posts to its gateway."""
        return await heard_posted(
            self._session, client, body, reply=self.reply, patience=self._order.patience
        )

    async def _say_health(
        self, words: Words, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Words | None:
        del words, reader, writer
        failure = self._session.failure
        return {
            "ok": failure is None,
            "run": self._session.run,
            "keeper": os.getpid(),
            "position": self._session.state.position,
            "failure": "" if failure is None else str(failure),
        }


async def keep(order: KeepingOrder, orders: asyncio.StreamReader) -> None:
    """Keep the run of ``order`` until its client has ended. Raises what can't be begun."""
    settings = _settings(order)
    async with contextlib.AsyncExitStack() as opened:
        store = await asyncio.to_thread(open_store, order.store)
        opened.callback(store.close)
        known = _known(order, store)
        noted: list[str] = []
        servers = await _servers(order, known, noted)
        session = await _session(order, store, servers, known)
        opened.push_async_callback(session.close)
        if servers is not None:
            opened.push_async_callback(servers.close)
        keeping = Keeping(order, session, servers)
        if not (order.began and session.state.live.client):
            await session.attached(_client(order), words=order.attached, transcript=order.transcript)
        state, held = session.state, session.foreign.contract != Contract()
        _say(Ready(run=order.run, resumed=session.resumed, position=state.position, contract=held))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, keeping.told_to_end)
        obeying = loop.create_task(keeping.obey(orders))
        async with await _served(order, settings, session, keeping):
            gc.enable()  # all is loaded: what comes now may be garbage
            await keeping.over.wait()
            obeying.cancel()
            await _deeds_ended(session)
        await session.left(keeping.left)
        _say(summary_of(session, noted))


def _known(order: KeepingOrder, store: Store) -> Law | None:
    """Return what the run was held to so far; None where it begins. Raises ``RunExists`` and ``NotWrapped``."""
    begun = any(row.position for row in store.books.rows(order.run))
    if not begun:
        if order.goes_on:
            raise NotWrapped(f"there is no run {order.run!r} in {address_of(order.store)}")
        return None
    if not (order.goes_on or order.began):
        raise RunExists(
            f"there is a run {order.run!r} already",
            hint=f"go on with it by `perdure wrap --resume {order.run}`, or choose another name with --run",
        )
    state = store.state(order.run)
    if not state.agent.startswith(AGENT):
        raise NotWrapped(f"{order.run} is a run of {state.agent!r}, and no wrapped client's")
    return store.inspector.law(state)


async def _served(
    order: KeepingOrder, settings: GatewaySettings, session: Session, keeping: Keeping
) -> contextlib.AbstractAsyncContextManager[None]:
    """Return that within which gateway and door are served; what that takes is loaded here, beside the client's start."""
    await asyncio.to_thread(import_module, "perdure.wrap.listening")
    from perdure.wrap.listening import served  # noqa: PLC0415 - until the run is held, nothing of it is needed

    return served(order, settings, session, keeping.guests(), keeping.reply, keeping.hear_posted)


def _settings(order: KeepingOrder) -> GatewaySettings:
    """Return how the client's gateway works. Raises ``BadInput``."""
    settings = GatewaySettings(
        order.store,
        upstreams=order.upstreams or GatewaySettings(Path()).upstreams,
        mode=order.mode,
        room=order.room,
        token=order.token,
        trusted=frozenset(order.trusted),
    )
    return checked(settings)


async def _servers(order: KeepingOrder, known: Law | None, noted: list[str]) -> "Serving | None":
    """Return the client's servers, none of them started yet; what a person should know of them goes to ``noted``.

    Raises ``BadInput`` for one that can't be started.
    """
    if not order.servers:
        return None
    from perdure.wrap.serving import Serving  # noqa: PLC0415 - the SDK is slow to load, and many clients have none

    def note(words: str) -> None:
        print(words, file=sys.stderr, flush=True)
        if words not in noted and len(noted) < KEEPER_NOTES_MAX:
            noted.append(words)

    servers = Serving(order, known.definition.tools if known is not None else (), note)
    await servers.start()
    return servers


async def _session(
    order: KeepingOrder, store: Store, servers: "Serving | None", known: Law | None
) -> Session:
    """Return the session of the run. Raises what opening raises."""
    contract = known.contract if known is not None else Contract()
    if order.contract:
        from perdure.assembly.agents.trial import loaded_contract  # noqa: PLC0415 - YAML is slow to load, and most have none

        contract = await asyncio.to_thread(loaded_contract, Path(order.contract))
    listed = servers.declarations() if servers is not None else ()
    tools = (*listed, *(builtins_of(order.hooks) if order.hooks else ()))
    foreign = Foreign(AGENT + order.client, tools, contract, Path(order.root))
    performs = servers.tools if servers is not None else NoServers()
    try:
        return await Session.open(store, order.run, foreign, performs)
    except BadContract as error:
        if order.hooks:
            raise
        raise BadContract(str(error), hint=_UNHEARD) from error


async def _deeds_ended(session: Session) -> None:
    """What servers were doing when the client ended has an outcome, or time is up and it will be in doubt."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + DEEDS_END_SECONDS
    while session.failure is None and loop.time() < latest:
        if all(each.phase != "started" for each in session.state.world.open.values()):
            return
        await asyncio.sleep(_PAUSE_SECONDS)


def _client(order: KeepingOrder) -> str:
    return f"{order.client}/{order.version}" if order.version else order.client


def _say(document: Said) -> None:
    """Tell the wrapper, if it is there."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), line_of(document))


async def _orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def _kept(order: KeepingOrder) -> int:
    try:
        await keep(order, await _orders())
    except PerdureError as error:
        _say(Refused(code=error.code, message=str(error), hint=error.hint))
        return 1
    return 0


def kept() -> int:
    """Keep one session, as the first line of standard input says; return the exit code."""
    with open(0, "rb", buffering=0, closefd=False) as orders:
        line = orders.readline()
    if not line:
        return 0  # the wrapper ended before it knew what to keep
    order = told_in(line)
    if not isinstance(order, KeepingOrder):
        return 2
    folder = hold_folder(Path(order.folder))
    try:
        return asyncio.run(_kept(order))
    finally:
        folder.let_go()
