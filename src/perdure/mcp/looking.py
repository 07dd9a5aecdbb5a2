"""Asking servers what they can do, without a client."""

import asyncio
from collections.abc import Callable, Sequence

from mcp.shared.exceptions import MCPError

from perdure.mcp.drafting import drafted, undecided
from perdure.mcp.hub import HELLO
from perdure.mcp.link import INITIALIZED, Link
from perdure.mcp.servers import Server
from perdure.mcp.starting import checked
from perdure.values.errors import ServerFailed


async def draft_of(servers: Sequence[Server], say: Callable[[str], None]) -> tuple[str, tuple[str, ...], int]:
    """Return the text of an effects file, what a person has to decide, and the number of tools.

    Raises ``BadInput``, ``ServerFailed``.
    """
    for server in servers:
        checked(server)
    links = [Link(server, None, say) for server in servers]
    try:
        await asyncio.gather(*map(_asked, links))
    finally:
        await asyncio.gather(*(link.close() for link in links))
    text = drafted([(link.server, tuple(link.tools.values())) for link in links])
    questions = [
        (link.server.tool(name), undecided(tool))
        for link in links
        for name, tool in sorted(link.tools.items())
    ]
    return (
        text,
        tuple(f"{name}: {question}" for name, question in questions if question),
        sum(len(link.tools) for link in links),
    )


async def _asked(link: Link) -> None:
    try:
        await link.connect()
        await link.introduce(HELLO)
        await link.notify(INITIALIZED, None)
        await link.learn()
    except MCPError as error:
        raise ServerFailed(f"{link.server.name}: {error.error.message}") from error
