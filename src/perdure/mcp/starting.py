"""Reaching a real server: as a process of ours, or at an address.

Invariant: a server that we start never outlives us. It stands below a leash (``leash.py``), which ends it and
all that it started when this process ends, killed or not.
"""

import asyncio
import os
import shutil
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, cast

import anyio
import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from perdure.mcp.lines import line_streams
from perdure.mcp.servers import Server
from perdure.values.errors import BadInput
from perdure.values.limits import MCP_CALL_SECONDS, MCP_CLOSE_SECONDS, MCP_LINE_BYTES_MAX

Reached = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

_CONNECT_SECONDS: Final = 30.0
_POLITE_SECONDS: Final = 1.0
_OVERHEARD_BYTES: Final = 4096
LEASH: Final = Path(__file__).with_name("leash.py")


def checked(server: Server) -> None:
    """Return if ``server`` could be started; raises ``BadInput`` that says why not."""
    if server.kind != "stdio":
        if not server.url.startswith(("http://", "https://")):
            raise BadInput(f"server {server.name}: {server.url!r} is no http address", hint="give its url")
        return
    where = server.cwd or None
    path = server.env.get("PATH", os.environ.get("PATH", os.defpath))
    if where is not None and not Path(where).is_dir():
        raise BadInput(f"server {server.name}: there is no directory {where}", hint="correct its cwd")
    program = server.command[0]
    beside = (Path(where or ".") / program) if os.sep in program else None
    if shutil.which(str(beside) if beside else program, path=path) is None:
        raise BadInput(
            f"server {server.name}: there is no program {program!r}",
            hint="install it, or correct its command",
        )


def reached(
    server: Server, say: Callable[[str], None], last: deque[str]
) -> AbstractAsyncContextManager[Reached]:
    """Return what connects to ``server`` when it is entered, and ends the connection when it is left.

    What the server says on standard error goes to ours, and its newest lines into ``last``.
    """
    match server.kind:
        case "stdio":
            return _started(server, say, last)
        case "http":
            return _called(server)
        case "sse":
            return _listened(server)


@asynccontextmanager
async def _started(server: Server, say: Callable[[str], None], last: deque[str]) -> AsyncGenerator[Reached]:
    process, held = await _leashed(server)
    told = asyncio.ensure_future(_overheard(process.stderr, last))
    try:
        if process.stdin is None or process.stdout is None:
            raise BadInput(f"server {server.name} has no streams", hint="start it again")
        async with line_streams(process.stdout, process.stdin) as streams:
            yield streams.read, streams.write
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(server, process, held, say)
            await asyncio.wait((told,), timeout=_POLITE_SECONDS)
            told.cancel()


async def _leashed(server: Server) -> tuple[asyncio.subprocess.Process, int]:
    waiting, held = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LEASH), str(waiting), *server.command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=server.cwd or None,
            env={**os.environ, **server.env},
            pass_fds=(waiting,),
            start_new_session=True,
            limit=MCP_LINE_BYTES_MAX,
        )
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(waiting)
    return process, held


async def _ended(
    server: Server, process: asyncio.subprocess.Process, held: int, say: Callable[[str], None]
) -> None:
    """The server is told by the end of its input, then by its leash; what is left of it is killed."""
    if process.stdin is not None:
        process.stdin.close()
    exited = asyncio.ensure_future(process.wait())
    # Polite servers end with their input; the leash asks the others.
    done, _ = await asyncio.wait((exited,), timeout=_POLITE_SECONDS)
    os.close(held)
    if not done:
        done, _ = await asyncio.wait((exited,), timeout=MCP_CLOSE_SECONDS)
    if not done:
        say(f"server {server.name} does not end; it is killed")
        process.kill()
        await exited
    transport = cast("asyncio.SubprocessTransport | None", getattr(process, "_transport", None))
    if transport is not None:
        transport.close()


async def _overheard(stream: asyncio.StreamReader | None, last: deque[str]) -> None:
    """Pass on what a server says beside the protocol, and keep its end: that says why it could not go on."""
    if stream is None:
        return
    rest = b""
    while chunk := await stream.read(_OVERHEARD_BYTES):
        with suppress(OSError, ValueError):
            sys.stderr.buffer.write(chunk)
            sys.stderr.buffer.flush()
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[-_OVERHEARD_BYTES:]
        last.extend(text for line in lines if (text := line.decode(errors="replace").strip()))
    if rest.strip():
        last.append(rest.decode(errors="replace").strip())


@asynccontextmanager
async def _called(server: Server) -> AsyncGenerator[Reached]:
    timeout = httpx2.Timeout(_CONNECT_SECONDS, read=MCP_CALL_SECONDS)
    async with (
        httpx2.AsyncClient(headers=server.headers, timeout=timeout, follow_redirects=True) as client,
        streamable_http_client(
            server.url, http_client=client, max_sse_event_size=MCP_LINE_BYTES_MAX
        ) as streams,
    ):
        yield streams[0], streams[1]


@asynccontextmanager
async def _listened(server: Server) -> AsyncGenerator[Reached]:
    async with sse_client(
        server.url, dict(server.headers), timeout=_CONNECT_SECONDS, sse_read_timeout=MCP_CALL_SECONDS
    ) as streams:
        yield streams[0], streams[1]
