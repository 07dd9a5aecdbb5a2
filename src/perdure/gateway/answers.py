"""Answers to a client: an upstream's, piece by piece as they come, or the gateway's own.

Invariants:
- A client that reads slowly slows its upstream down: nothing gathers between the two.
- An answer that breaks off upstream breaks off at the client: it never looks whole.
"""

from typing import Final

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict

from perdure.gateway.heads import backward
from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api

_ADDED: Final = ("Date", "Server", "Content-Type")
"""Headers that aiohttp adds where they are missing; those of an upstream that sends none stay missing."""


class Relayed(web.StreamResponse):
    """An answer with exactly the headers that it is given, but for those of one hop."""

    def __init__(self, *, status: int, reason: str | None, headers: "CIMultiDict[str]") -> None:
        """Answer with these; ``Content-Length`` among them says how long the body is."""
        super().__init__(status=status, reason=reason, headers=headers)
        self._absent: tuple[str, ...] = tuple(name for name in _ADDED if name not in headers)

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        for name in self._absent:
            self.headers.popall(name, None)


class Line:
    """The way back to one client."""

    def __init__(self, request: web.BaseRequest) -> None:
        """Answer ``request``."""
        self._request: web.BaseRequest = request
        self.response: web.StreamResponse | None = None
        """once it has begun"""

    async def begin(self, status: int, reason: str | None, headers: "CIMultiDict[str]") -> None:
        """The head of the answer is on its way."""
        self.response = Relayed(status=status, reason=reason, headers=headers)
        await self.response.prepare(self._request)

    async def write(self, piece: bytes) -> None:
        """Send a piece; returns when the client has taken enough of what came before."""
        if self.response is not None and piece:
            await self.response.write(piece)

    async def finish(self) -> web.StreamResponse:
        """The answer is whole."""
        if self.response is None:
            raise web.HTTPInternalServerError
        await self.response.write_eof()
        return self.response

    def break_off(self) -> web.StreamResponse:
        """The connection ends without the answer's end, as the upstream's did."""
        if self._request.transport is not None:
            self._request.transport.abort() if self.response is None else self._request.transport.close()
        return self.response or web.Response(status=502)

    async def pass_on(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """The upstream's answer goes to the client as it comes, untouched."""
        await self.begin(answer.status, answer.reason, backward(answer.raw_headers))
        async for piece in answer.content.iter_any():
            await self.write(piece)
        return await self.finish()


def refusal(api: Api, status: int, kind: str, message: str, **headers: str) -> web.Response:
    """Return an answer of the gateway's own, in the words that clients of ``api`` understand."""
    said: Json
    if api == "messages":
        said = {"type": "error", "error": {"type": kind, "message": message}}
    else:
        said = {"error": {"type": kind, "code": kind, "message": message, "param": None}}
    return web.Response(
        status=status,
        body=msgspec.json.encode(said),
        content_type="application/json",
        headers={"x-perdure-gateway": kind, **headers},
    )
