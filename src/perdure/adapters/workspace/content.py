"""The bytes of a file, kept: small files whole, large ones cut by content, holes left out.

Invariants:
- Equal bytes are kept as equal ``Kept``s, whatever the file system allocated for them.
- Memory is bounded, whatever the size; a hole is neither read nor kept.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from pyfastcdc import FastCDC

from perdure.adapters.workspace.keeping import Keeper
from perdure.checkpoint.tree import Piece, Recipe, recipe_object
from perdure.values.limits import CHUNK_BYTES_AVERAGE, FILE_IN_ONE_BLOB_BYTES_MAX

BLOCK_BYTES: Final = 64 * 1024
"""Large files are read in these; one that is all zero is a hole, as it would be after a restore."""

_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""Cut at once; several chunks, so that the rest which is carried over is small beside it."""

_ZEROS: Final = bytes(BLOCK_BYTES)


class Kept(NamedTuple):
    """A file's bytes as a tree names them."""

    content: bytes
    recipe: bool
    size: int


def keep_file(fd: int, keeper: Keeper) -> Kept:
    """The bytes of the open file are kept."""
    content = read_up_to(fd, FILE_IN_ONE_BLOB_BYTES_MAX + 1)
    if len(content) <= FILE_IN_ONE_BLOB_BYTES_MAX:
        return Kept(keeper.content(content), recipe=False, size=len(content))
    del content
    size = os.fstat(fd).st_size
    made = recipe_object(Recipe(size, tuple(_pieces(_blocks(fd, size), keeper))))
    keeper.object(made)
    return Kept(bytes.fromhex(made.name), recipe=True, size=size)


def read_up_to(fd: int, count: int) -> bytes:
    """Return the file's first ``count`` bytes, or all if there are fewer."""
    first = os.pread(fd, min(count, os.fstat(fd).st_size + 1), 0)
    parts, size = [first], len(first)
    while parts[-1] and size < count:
        parts.append(os.pread(fd, count - size, size))
        size += len(parts[-1])
    return first if len(parts) < 3 and not parts[-1] else b"".join(parts)


def digest_file(fd: int) -> Kept:
    """Return what names the bytes of the open file without keeping them."""
    hasher, position = hashlib.sha256(), 0
    while part := os.pread(fd, 1024 * 1024, position):
        hasher.update(part)
        position += len(part)
    return Kept(hasher.digest(), recipe=False, size=position)


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where the file system holds bytes; what lies between reads as zeros."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            # The file system knows no holes.
            start, end = end, size
        yield start, end


def _blocks(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the file's blocks that hold something, with where they start."""
    position = 0
    for start, end in _extents(fd, size):
        position = max(position, start - start % BLOCK_BYTES)
        while position < end:
            block = os.pread(fd, BLOCK_BYTES, position)
            if not block:
                return
            if block != _ZEROS and block != _ZEROS[: len(block)]:
                yield position, block
            position += BLOCK_BYTES


def _pieces(blocks: Iterator[tuple[int, bytes]], keeper: Keeper) -> Iterator[Piece]:
    cutter = FastCDC(
        CHUNK_BYTES_AVERAGE,
        min_size=CHUNK_BYTES_AVERAGE // 4,
        # No larger than what shares the event's transaction in the store.
        max_size=CHUNK_BYTES_AVERAGE * 2,
        normalized_chunking=2,
    )
    begins, window = 0, b""
    gathered: list[bytes] = []
    length = 0
    for start, block in blocks:
        if start != begins + length:
            yield from _cut(cutter, b"".join(gathered), begins, keeper)
            begins, length = start, 0
            gathered.clear()
        gathered.append(block)
        length += len(block)
        if length >= _WINDOW_BYTES:
            window = b"".join(gathered)
            pieces = list(_cut(cutter, window, begins, keeper, more=True))
            yield from pieces
            used = sum(piece.size for piece in pieces)
            begins, length = begins + used, length - used
            gathered[:] = [window[used:]]
    yield from _cut(cutter, b"".join(gathered), begins, keeper)


def _cut(
    cutter: FastCDC, window: bytes, begins: int, keeper: Keeper, *, more: bool = False
) -> Iterator[Piece]:
    """Keep the chunks of ``window``; with ``more`` to come, the last one isn't one yet."""
    for chunk in cutter.cut_buf(window) if window else ():
        if more and chunk.offset + chunk.length == len(window):
            return
        name = keeper.content(bytes(chunk.data))
        yield Piece(begins + chunk.offset, chunk.length, name)
