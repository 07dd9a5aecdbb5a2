"""Messages as lines of JSON over a pair of byte streams: standard streams, a socket, a server's pipes.

A line has a bound: a peer that never ends one is cut off with words, it fills no memory. What isn't JSON-RPC
is an ``Exception`` among the messages; the connection goes on.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from perdure.values.limits import MCP_LINE_BYTES_MAX
from perdure.values.unreadable import asked_by

_FLUSH_SECONDS: Final = 2.0


class Streams(NamedTuple):
    """One end of a conversation, as the SDK wants it."""

    read: MemoryObjectReceiveStream[SessionMessage | Exception]
    write: MemoryObjectSendStream[SessionMessage]


class Watch(Protocol):
    """Whoever keeps count of what was handed over."""

    def accepted(self, message: JSONRPCMessage, size: int) -> None:
        """The kernel has taken all ``size`` bytes of ``message``."""
        ...

    def broke(self) -> None:
        """A message could not be handed over."""
        ...


class Overlong(Exception):
    """A peer sent more than fits a line; nothing more is read from it."""


class Garbled(Exception):
    """A peer sent a line that isn't a JSON-RPC message."""

    def __init__(self, words: str, request: str | int | None) -> None:
        """Hold the id of the ``request`` that it seems to be."""
        super().__init__(words)
        self.request: str | int | None = request


@asynccontextmanager
async def line_streams(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch | None = None
) -> AsyncGenerator[Streams]:
    """Carry messages over ``reader`` and ``writer`` until left; what was accepted for writing is written first.

    ``watch`` hears of each message once the kernel has all of it.
    """
    if watch is not None:
        # So that nothing of a message waits here once it counts as written.
        writer.transport.set_write_buffer_limits(0)
    into, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, out_of = anyio.create_memory_object_stream[SessionMessage](0)
    written = anyio.Event()

    async def pump_in() -> None:
        async with into:
            try:
                while line := await _line(reader):
                    if line.strip():
                        await into.send(_message(line))
            except Overlong as error:
                await into.send(error)
            except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with anyio.create_task_group() as group:
        group.start_soon(pump_in)
        group.start_soon(_written_out, writer, out_of, watch, written)
        try:
            yield Streams(read, write)
        finally:
            write.close()
            with anyio.CancelScope(shield=True), anyio.move_on_after(_FLUSH_SECONDS):
                await written.wait()
            read.close()
            group.cancel_scope.cancel()


async def _written_out(
    writer: asyncio.StreamWriter,
    out_of: MemoryObjectReceiveStream[SessionMessage],
    watch: Watch | None,
    written: anyio.Event,
) -> None:
    """Write what comes out of ``out_of``, until it ends or nobody is there to read; then ``written`` is set."""
    try:
        async with out_of:
            async for each in out_of:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                line = text.encode() + b"\n"
                writer.write(line)
                await writer.drain()
                if watch is not None:
                    watch.accepted(each.message, len(line))
    except OSError:
        if watch is not None:
            watch.broke()
    finally:
        written.set()


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        raise Overlong(f"a line of more than {MCP_LINE_BYTES_MAX} bytes") from error


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        start = line[:60].decode(errors="replace").strip()
        return Garbled(f"a line that is no JSON-RPC message: {start!r}", asked_by(line))
