"""Requests of clients, as they come in: read whole where they are to be looked at, streamed where they are too large."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from aiohttp import web

from perdure.values.limits import GATEWAY_BODY_BYTES_MAX, GATEWAY_HELD_BYTES_MAX


class Taken(NamedTuple):
    """What came of a request's body."""

    whole: bytes | None
    """None where it is too large to be held: then ``rest`` is all of it"""
    rest: AsyncIterator[bytes] | None = None
    length: str = ""
    """as the client gave it; empty where it sends in chunks"""


class Room:
    """Bytes of requests that this gateway holds at once."""

    def __init__(self, most: int = GATEWAY_HELD_BYTES_MAX) -> None:
        """Hold at most ``most``."""
        self._free: int = most

    def take(self, size: int) -> bool:
        """Tell whether ``size`` more bytes are held now."""
        if size > self._free:
            return False
        self._free -= size
        return True

    def give_back(self, size: int) -> None:
        """They are held no longer."""
        self._free += size


async def taken(request: web.BaseRequest, most: int = GATEWAY_BODY_BYTES_MAX) -> Taken:
    """Return the body of ``request``; it is held if it has at most ``most`` bytes.

    A client that asks whether it may send is told that it may.
    """
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if not request.can_read_body:
        return Taken(b"")
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > most:
        return Taken(None, _rest([], request), length)
    held: list[bytes] = []
    size = 0
    async for piece in request.content.iter_any():
        held.append(piece)
        size += len(piece)
        if size > most:
            return Taken(None, _rest(held, request), length)
    return Taken(b"".join(held))


async def _rest(held: list[bytes], request: web.BaseRequest) -> AsyncIterator[bytes]:
    while held:
        yield held.pop(0)
    async for piece in request.content.iter_any():
        yield piece
