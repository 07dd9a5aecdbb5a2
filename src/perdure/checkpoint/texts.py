"""Two changes of one text put together line by line, or shown where they collide."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from perdure.checkpoint.lines import matches, split

_BEFORE: Final = 3
"""Lines shown before a collision, so that a person finds the place."""


class Woven(NamedTuple):
    """The text with both changes in it. Where they collide, both stand between the usual marks."""

    content: bytes
    shown: bytes
    """each place where they collide, with the lines before it; empty where they don't"""


class _Region(NamedTuple):
    """A stretch of each text: of the base, of ours and of theirs, in line numbers."""

    base: slice
    ours: slice
    theirs: slice


def merge_text(base: bytes, ours: bytes, theirs: bytes) -> Woven:
    """Return ``ours`` with the change from ``base`` to ``theirs`` in it.

    Two changes collide where no line that all three share stands between them, unless they are equal.
    """
    texts = split(base), split(ours), split(theirs)
    woven: list[bytes] = []
    shown: list[bytes] = []
    for region in _regions(*texts):
        was, mine, other = (text[part] for text, part in zip(texts, region, strict=True))
        if other in (mine, was):
            woven += mine
        elif was == mine:
            woven += other
        else:
            marked = [*_marked(mine, other)]
            shown += [*woven[-_BEFORE:], *marked]
            woven += marked
    return Woven(b"".join(woven), b"".join(shown))


def _marked(mine: Sequence[bytes], other: Sequence[bytes]) -> Iterator[bytes]:
    yield b"<<<<<<< present\n"
    yield from map(_ended, mine)
    yield b"=======\n"
    yield from map(_ended, other)
    yield b">>>>>>> wanted\n"


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def _regions(base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes]) -> Iterator[_Region]:
    """Yield all of the three texts in order, parted where lines shared by all three begin and end."""
    at = (0, 0, 0)
    for start, mine, other, size in _shared(base, ours, theirs):
        yield _Region(slice(at[0], start), slice(at[1], mine), slice(at[2], other))
        at = (start + size, mine + size, other + size)
        yield _Region(slice(start, at[0]), slice(mine, at[1]), slice(other, at[2]))
    yield _Region(slice(at[0], len(base)), slice(at[1], len(ours)), slice(at[2], len(theirs)))


def _shared(
    base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield the stretches that all three share: their places in each, and their size."""
    first, second = matches(base, ours), matches(base, theirs)
    one = two = 0
    while one < len(first) and two < len(second):
        mine, other = first[one], second[two]
        start = max(mine.first, other.first)
        end = min(mine.first + mine.size, other.first + other.size)
        if start < end:
            yield start, mine.second + start - mine.first, other.second + start - other.first, end - start
        if mine.first + mine.size < other.first + other.size:
            one += 1
        else:
            two += 1
