"""Which lines of two texts are the same: what merging and blaming share.

Invariants:
- Matches go upwards in both texts, never overlap, and every matched line is equal on both sides.
- The cost stays near the size of the texts: equal ends are cut off first, then lines that stand once on both
  sides divide the rest, and only what is left between two of them is compared line by line.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, NamedTuple

from perdure.values.limits import TEXT_BYTES_MAX

_CELLS_MAX: Final = 40_000
"""Pairs of lines that are compared one by one where no line stands once; more is a stretch written anew."""

_DEPTH_MAX: Final = 32
"""Anchors within anchors; real texts stay below five."""


class Match(NamedTuple):
    """``size`` equal lines, from line ``first`` of one text and line ``second`` of the other."""

    first: int
    second: int
    size: int


def split(content: bytes) -> list[bytes]:
    """Return the lines of ``content`` with their ends; only a line feed ends one."""
    lines = content.split(b"\n")
    ended = [line + b"\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def is_text(content: bytes) -> bool:
    """Whether ``content`` has lines that mean something to a person, and not too many."""
    return len(content) <= TEXT_BYTES_MAX and b"\0" not in content


def matches(first: Sequence[bytes], second: Sequence[bytes]) -> list[Match]:
    """Return the equal stretches of two texts, in order and as long as they are."""
    joined: list[Match] = []
    for found in _between(first, second, _Stretch(0, len(first), 0, len(second)), 0):
        last = joined[-1] if joined else None
        if last and last.first + last.size == found.first and last.second + last.size == found.second:
            joined[-1] = Match(last.first, last.second, last.size + found.size)
        else:
            joined.append(found)
    return joined


class _Stretch(NamedTuple):
    """Lines ``low`` to ``high`` of one text beside ``start`` to ``end`` of the other."""

    low: int
    high: int
    start: int
    end: int


def _between(
    first: Sequence[bytes], second: Sequence[bytes], stretch: _Stretch, depth: int
) -> Iterator[Match]:
    low, high, start, end = stretch
    head = _equal(first, second, stretch)
    if head:
        yield Match(low, start, head)
    low, start = low + head, start + head
    tail = 0
    while low < high - tail and start < end - tail and first[high - tail - 1] == second[end - tail - 1]:
        tail += 1
    middle = _Stretch(low, high - tail, start, end - tail)
    if middle.low < middle.high and middle.start < middle.end:
        yield from _middle(first, second, middle, depth)
    if tail:
        yield Match(high - tail, end - tail, tail)


def _equal(first: Sequence[bytes], second: Sequence[bytes], stretch: _Stretch) -> int:
    """Return how many lines are equal from the beginning."""
    low, high, start, end = stretch
    count = 0
    while low + count < high and start + count < end and first[low + count] == second[start + count]:
        count += 1
    return count


def _middle(
    first: Sequence[bytes], second: Sequence[bytes], stretch: _Stretch, depth: int
) -> Iterator[Match]:
    low, high, start, end = stretch
    anchors = _anchors(first, second, stretch) if depth < _DEPTH_MAX else []
    if not anchors:
        if (high - low) * (end - start) <= _CELLS_MAX:
            compared = SequenceMatcher(None, first[low:high], second[start:end], autojunk=False)
            for left, right, size in compared.get_matching_blocks():
                if size:
                    yield Match(low + left, start + right, size)
        return
    for left, right in anchors:
        if left < low or right < start:
            continue  # the run before has covered it
        if left > low and right > start:
            yield from _between(first, second, _Stretch(low, left, start, right), depth + 1)
        size = _equal(first, second, _Stretch(left, high, right, end))
        yield Match(left, right, size)
        low, start = left + size, right + size
    yield from _between(first, second, _Stretch(low, high, start, end), depth + 1)


def _anchors(first: Sequence[bytes], second: Sequence[bytes], stretch: _Stretch) -> list[tuple[int, int]]:
    """Return the places of lines that stand once in both, the longest run of them that goes upwards."""
    low, high, start, end = stretch
    there = _once(second, start, end)
    both = [(place, there[line]) for line, place in _once(first, low, high).items() if line in there]
    if all(one[1] < other[1] for one, other in pairwise(both)):
        return both
    ends: list[int] = []
    chains: list[int] = []
    before: list[int] = []
    for number, (_, right) in enumerate(both):
        at = bisect_left(ends, right)
        before.append(chains[at - 1] if at else -1)
        ends[at : at + 1] = [right]
        chains[at : at + 1] = [number]
    found: list[tuple[int, int]] = []
    number = chains[-1] if chains else -1
    while number >= 0:
        found.append(both[number])
        number = before[number]
    return found[::-1]


def _once(lines: Sequence[bytes], low: int, high: int) -> dict[bytes, int]:
    """Return the lines that stand once, with their places, in order."""
    places = dict(zip(lines[low:high], range(low, high), strict=True))
    if len(places) == high - low:
        return places
    return {line: places[line] for line, count in Counter(lines[low:high]).items() if count == 1}
