"""A large blob in pieces, each compressed by itself, so that a part is read without the rest.

Invariants:
- The row of a blob holds its index: the word that makes its object's name unique, and of each piece the length and
  the beginning of its digest. So a piece from anywhere, an object store or a cache, is checked before it is used.
- Names are never used for other content: whoever packs a blob anew takes another word.
"""

import hashlib
import secrets
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import zstandard

from perdure.adapters.postgres.content.zstd import unpacked
from perdure.adapters.postgres.layout import FRAME_BYTES
from perdure.values.errors import StoreDamaged

WORD_BYTES: Final = 8
_ENTRY: Final = struct.Struct("<I16s")
_LEVEL: Final = 3


class Index(NamedTuple):
    """What a blob's row says of its pieces."""

    word: bytes
    lengths: tuple[int, ...]
    marks: tuple[bytes, ...]

    def stored(self) -> bytes:
        """Return it as the row holds it."""
        return self.word + b"".join(map(_ENTRY.pack, self.lengths, self.marks))

    def object_name(self, store: str, blob: str) -> str:
        """Return the name of the object that holds the pieces of ``blob`` of ``store``."""
        return f"{store}/{blob[:2]}/{blob}-{self.word.hex()}"

    def renamed(self) -> "Index":
        """Return the same pieces under another object's name."""
        return self._replace(word=secrets.token_bytes(WORD_BYTES))


class FrameSpan(NamedTuple):
    """The pieces that hold a part of a blob, and where they lie in the object."""

    first: int
    last: int
    offset: int
    size: int


def cut(content: bytes) -> tuple[Index, list[bytes]]:
    """Return the pieces of a blob, compressed, and their index."""
    frames = list(_compressed(content))
    marks = tuple(_mark(frame) for frame in frames)
    return Index(secrets.token_bytes(WORD_BYTES), tuple(map(len, frames)), marks), frames


def index_of(stored: bytes) -> Index:
    """Return the index that a row holds."""
    try:
        pairs: list[tuple[int, bytes]] = list(_ENTRY.iter_unpack(stored[WORD_BYTES:]))
    except struct.error as error:
        raise StoreDamaged(f"the index of a large blob: {error}") from error
    return Index(stored[:WORD_BYTES], tuple(length for length, _ in pairs), tuple(mark for _, mark in pairs))


def span_of(index: Index, start: int, end: int) -> FrameSpan:
    """Return which pieces hold bytes ``start`` to ``end`` of the blob."""
    first, last = start // FRAME_BYTES, (end - 1) // FRAME_BYTES
    starts = [0, *accumulate(index.lengths)]
    return FrameSpan(first, last, starts[first], starts[last + 1] - starts[first])


def part_of(index: Index, span: FrameSpan, frames: Sequence[bytes], start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end`` out of the pieces of ``span``; raise ``StoreDamaged`` if one isn't right."""
    marks = index.marks[span.first : span.last + 1]
    if len(frames) != len(marks) or any(
        _mark(frame) != mark for frame, mark in zip(frames, marks, strict=True)
    ):
        raise StoreDamaged("a piece of it is not what was stored")
    try:
        held = b"".join(unpacked(frame, FRAME_BYTES) for frame in frames)
    except zstandard.ZstdError as error:
        raise StoreDamaged(f"a piece of it can't be read: {error}") from error
    return held[start - span.first * FRAME_BYTES : end - span.first * FRAME_BYTES]


def split(index: Index, span: FrameSpan, content: bytes) -> list[bytes]:
    """Return the pieces of ``span`` that ``content`` of the object holds."""
    ends = list(accumulate(index.lengths[span.first : span.last + 1]))
    return [
        content[end - length : end] for end, length in zip(ends, index.lengths[span.first :], strict=False)
    ]


def _compressed(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
    for start in range(0, len(content), FRAME_BYTES):
        yield compressor.compress(view[start : start + FRAME_BYTES])


def _mark(frame: bytes) -> bytes:
    return hashlib.sha256(frame).digest()[:16]
