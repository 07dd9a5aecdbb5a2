"""Compression, with what it takes made once for each thread."""

import threading
from typing import Final

import zstandard

_LEVEL: Final = 3


class _Own(threading.local):
    """A thread's own: two threads can't share one, and making one costs more than compressing a message."""

    def __init__(self) -> None:
        self.packs: zstandard.ZstdCompressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self.unpacks: zstandard.ZstdDecompressor = zstandard.ZstdDecompressor()


_own = _Own()


def packed(content: bytes) -> bytes:
    return _own.packs.compress(content)


def unpacked(content: bytes, size_max: int = 0) -> bytes:
    """Return what was packed; ``size_max`` bounds it where its header doesn't say."""
    return _own.unpacks.decompress(content, max_output_size=size_max)
