"""A compressed answer that passes as it is, read on the side."""

import zlib
from typing import Final, Protocol

import zstandard

from perdure.values.limits import GATEWAY_BODY_BYTES_MAX

ANY_SIZE: Final = 1 << 62
"""For what passes on: how much it is was bounded by whoever sent it."""

_WINDOW_GZIP: Final = 31
"""zlib's sign for a gzip header."""


class _Opening(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class Unpacking:
    """Takes pieces of a body and gives what they say; nothing more from where that can't be read."""

    def __init__(self, encoding: str, most: int = GATEWAY_BODY_BYTES_MAX) -> None:
        """Read a body of this ``Content-Encoding``, up to ``most`` bytes of what it says."""
        self._most: int = most
        self._opening: _Opening | None = None
        self._given: int = 0
        match encoding.strip().lower():
            case "" | "identity":
                self.plain: bool = True
                self.readable: bool = True
            case "gzip" | "x-gzip":
                self.plain = False
                self.readable = True
                self._opening = zlib.decompressobj(_WINDOW_GZIP)
            case "deflate":
                self.plain = False
                self.readable = True
                self._opening = zlib.decompressobj()
            case "zstd":
                self.plain = False
                self.readable = True
                self._opening = zstandard.ZstdDecompressor().decompressobj()
            case _:
                self.plain = False
                self.readable = False

    def more(self, piece: bytes) -> bytes:
        """Return what ``piece`` adds."""
        if not self.readable:
            return b""
        if self._opening is None:
            return piece
        try:
            said = self._opening.decompress(piece)
        except (zlib.error, zstandard.ZstdError):
            self.readable = False
            return b""
        self._given += len(said)
        if self._given > self._most:
            # A bomb, or nothing that a model says.
            self.readable = False
        return said
