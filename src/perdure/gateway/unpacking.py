"""A compressed answer that passes as it is, read on the side."""

import zlib
from typing import Final, Protocol

import zstandard

from perdure.values.limits import GATEWAY_BODY_BYTES_MAX

_WINDOW_GZIP: Final = 31
"""zlib's sign for a gzip header."""


class _Opening(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class Unpacking:
    """Takes pieces of a body and gives what they say; nothing more from where that can't be read."""

    def __init__(self, encoding: str) -> None:
        """Read a body of this ``Content-Encoding``."""
        self._opening: _Opening | None = None
        self._given: int = 0
        match encoding.strip().lower():
            case "" | "identity":
                self.plain: bool = True
                self._readable: bool = True
            case "gzip":
                self.plain = False
                self._readable = True
                self._opening = zlib.decompressobj(_WINDOW_GZIP)
            case "deflate":
                self.plain = False
                self._readable = True
                self._opening = zlib.decompressobj()
            case "zstd":
                self.plain = False
                self._readable = True
                self._opening = zstandard.ZstdDecompressor().decompressobj()
            case _:
                self.plain = False
                self._readable = False

    def more(self, piece: bytes) -> bytes:
        """Return what ``piece`` adds."""
        if not self._readable:
            return b""
        if self._opening is None:
            return piece
        try:
            said = self._opening.decompress(piece)
        except (zlib.error, zstandard.ZstdError):
            self._readable = False
            return b""
        self._given += len(said)
        if self._given > GATEWAY_BODY_BYTES_MAX:
            # A bomb, or nothing that a model says.
            self._readable = False
        return said
