"""What the tests of our own MCP server share: a store with a client's run that has files, effects and pages."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client

from perdure.assembly.foreign.answering import Asked
from perdure.assembly.store import open_store
from perdure.log import events as e
from perdure.mcp.own.serving import own_server
from perdure.mcp.own.view import View
from perdure.orchestrator.draft import content_of
from perdure.page.handles import handle_of
from perdure.values.digest import digest
from tests.hooks.kit import wrapped

CREDENTIAL = "digest-of-somebodys-key"
PAGE = "\n".join(f"line {number} of a long result, with words enough" for number in range(4000))
HANDLE = handle_of("toolu_page", digest(PAGE.encode()))


async def lived(place: Path, *, run: str = "one") -> None:
    """A client's run: it pays, writes two versions of a file and a secret one, and has a page that left its window."""
    async with wrapped(place, run=run) as session:
        root = place / "workspace"
        content, blob = content_of(PAGE)
        assert blob is not None
        opened = e.ConversationOpened(
            "claude-code/1", "messages", "claude-opus-5-5", session="s-1", credential=CREDENTIAL, recall=True
        )
        await session.tell(opened)
        (root / "notes.txt").write_text("one\ntwo\n", encoding="utf-8")
        (root / ".env").write_text("PIN=4711-0815\n", encoding="utf-8")
        arrived = e.Arrived(
            HANDLE, content, 20_000, call="toolu_page", tool="Read", about="long.txt", lines=4000
        )
        await session.tell(e.RequestForwarded(1, arrived=(arrived,)), blobs=(blob,))
        assert await session.recorded(30)
        await session.tell(e.RequestAnswered(1, stop="tool_use"))
        await session.call(Asked("a.1", "bank__pay", {"invoice": "INV-1", "reference": "r1"}), patience=0)
        (root / "notes.txt").write_text("one\n2\nthree\n", encoding="utf-8")
        await session.tell(e.RequestForwarded(2))
        assert await session.recorded(30)
        await session.tell(e.RequestAnswered(2, stop="end_turn"))


@asynccontextmanager
async def looking(
    store: Path,
    *,
    run: str = "one",
    every_run: bool = False,
    allow: frozenset[str] = frozenset(),
    **around: str,
) -> AsyncGenerator[Client]:
    """Yield a client of the official SDK that is connected to our server."""
    opened = await asyncio.to_thread(open_store, store)
    try:
        view = View(opened, run=run, every_run=every_run, allow=allow, environment=around)
        async with Client(own_server(view, "1")) as client:
            yield client
    finally:
        await asyncio.to_thread(opened.close)


async def asked(client: Client, tool: str, /, **given: Any) -> Any:
    """Return the document that a tool answers; it must be no error."""
    found = await client.call_tool(tool, given)
    text = words(found)
    assert not found.is_error, text
    return json.loads(text) if text.startswith("{") else text


async def refused(client: Client, tool: str, /, **given: Any) -> str:
    """Return the words with which a call is refused."""
    found = await client.call_tool(tool, given)
    assert found.is_error, words(found)
    return words(found)


def words(found: types.CallToolResult) -> str:
    """Return the text of a result."""
    (part,) = found.content
    assert isinstance(part, types.TextContent)
    return part.text
