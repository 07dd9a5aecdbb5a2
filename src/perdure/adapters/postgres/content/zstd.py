"""Compression, with what it takes made once for each thread."""

import threading
from typing import Final

import zstandard

_LEVEL: Final = 3
_QUICK_LEVEL: Final = 1
_QUICK_BYTES_MAX: Final = 4096
"""Up to here level 1 leaves at most 2.5 % more than level 3, and takes half the time. Most blobs are of this size: a turn
brings two, and they are packed where the runs of the process are driven."""


class _Own(threading.local):
    """A thread's own: two threads can't share one, and making one costs more than compressing a message."""

    def __init__(self) -> None:
        self.packs: zstandard.ZstdCompressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self.packs_quickly: zstandard.ZstdCompressor = zstandard.ZstdCompressor(
            level=_QUICK_LEVEL, write_content_size=True
        )
        self.unpacks: zstandard.ZstdDecompressor = zstandard.ZstdDecompressor()


_own = _Own()


def packed(content: bytes) -> bytes:
    packs = _own.packs_quickly if len(content) <= _QUICK_BYTES_MAX else _own.packs
    return packs.compress(content)


def unpacked(content: bytes, size_max: int = 0) -> bytes:
    """Return what was packed; ``size_max`` bounds it where its header doesn't say."""
    return _own.unpacks.decompress(content, max_output_size=size_max)
