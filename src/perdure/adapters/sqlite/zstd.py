"""Compression, with what it takes made once for each thread."""

import threading
from typing import Final, NamedTuple

import zstandard

LEVEL: Final = 3


class Zstd(NamedTuple):
    """A thread's own compressor and decompressor."""

    compressor: zstandard.ZstdCompressor
    decompressor: zstandard.ZstdDecompressor


class _Local(threading.local):
    """A thread's own: making one costs more than compressing a message, and two threads can't share it."""

    zstd: Zstd | None = None


_local = _Local()


def zstd() -> Zstd:
    """Return the calling thread's own."""
    if _local.zstd is None:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        _local.zstd = Zstd(compressor, zstandard.ZstdDecompressor())
    return _local.zstd
