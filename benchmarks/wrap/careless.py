"""A gateway as careless ones are: it passes bytes on, but drops reports of progress and what it doesn't know of a schema.

It is the broken build beside the conformance harness, which has to see both.
"""

import re
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final

import aiohttp
from aiohttp import web

from benchmarks.wrap.processes import listening

DROPPED: Final = re.compile(rb"[^\n]*notifications/progress[^\n]*")
PASSED: Final = {
    "content-type",
    "accept",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
    "host",
    "origin",
}
BACK: Final = {"content-type", "mcp-session-id"}


def relayed(target: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return what answers each request with the answer of ``target``, less what it drops."""

    async def answered(request: web.Request) -> web.StreamResponse:
        heads = {name: value for name, value in request.headers.items() if name.lower() in PASSED}
        body = await request.read()
        async with (
            aiohttp.ClientSession() as client,
            client.request(request.method, target, headers=heads, data=body or None) as got,
        ):
            kept = {name: value for name, value in got.headers.items() if name.lower() in BACK}
            response = web.StreamResponse(status=got.status, headers=kept)
            await response.prepare(request)
            async for line in got.content:
                await response.write(DROPPED.sub(b": nothing", line.replace(b'"$defs"', b'"defs"')))
            await response.write_eof()
            return response

    return answered


@contextmanager
def careless(target: str) -> Generator[str]:
    """Yield the address of such a gateway in front of ``target``."""
    with listening([sys.executable, "-m", "benchmarks.wrap.careless", target]) as url:
        yield url


def main() -> None:
    """Serve."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = web.Application()
    app.router.add_route("*", "/mcp", relayed(sys.argv[1]))
    print(f"listening at http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    web.run_app(app, sock=listener, print=None)


if __name__ == "__main__":
    main()
