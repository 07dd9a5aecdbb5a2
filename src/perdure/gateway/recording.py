"""A request's body as the log keeps it: whole now and then, and else what differs from the one before.

A client sends its whole history with each request. Kept whole, a conversation of n turns would take n² of room; the
beginning and the end that a body shares with the one before are named instead, by their sizes.

The form of a difference: one line of JSON, ``{"perdure":"difference","of":DIGEST,"first":N,"last":M}``, and then the
bytes between the first N and the last M bytes of the body with that digest.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from perdure.log.events import Content
from perdure.values.digest import digest

_MARK: Final = b'{"perdure":"difference",'
_WORTH: Final = 4096
"""Bytes that a difference has to save before it is made."""


class Kept(NamedTuple):
    """What is stored of a body."""

    content: Content
    blob: tuple[str, bytes]
    whole: bool


class _Difference(msgspec.Struct, frozen=True):
    perdure: str
    of: str
    first: int
    last: int


def kept(body: bytes, before: bytes, name: str, since: int) -> Kept:
    """Return how ``body`` is stored, after ``before`` with digest ``name``, and ``since`` bytes of differences."""
    first, last = shared(before, body)
    between = body[first : len(body) - last]
    if before and len(body) - len(between) > _WORTH and since + len(between) <= len(body):
        head = _Difference("difference", name, first, last)
        raw = msgspec.json.encode(head) + b"\n" + between
        return Kept(Content(len(raw), None, own := digest(raw)), (own, raw), whole=False)
    return Kept(Content(len(body), None, own := digest(body)), (own, body), whole=True)


def is_difference(stored: bytes) -> bool:
    """Tell whether ``stored`` is a difference from another body."""
    return stored.startswith(_MARK)


def restored(stored: bytes, before: bytes) -> bytes:
    """Return the body that ``stored`` is the difference of, after ``before``. Raises ``ValueError``."""
    head, _, between = stored.partition(b"\n")
    known = msgspec.json.decode(head, type=_Difference)
    if known.of != digest(before):
        raise ValueError("the difference is one from another body")
    return before[: known.first] + between + before[len(before) - known.last :]


def shared(one: bytes, other: bytes) -> tuple[int, int]:
    """Return how many bytes both begin with, and how many of the rest both end with."""
    most = min(len(one), len(other))
    first = _alike(most, lambda low, high: one[low:high] == other[low:high])
    end, stop = len(one), len(other)
    last = _alike(
        most - first, lambda low, high: one[end - high : end - low] == other[stop - high : stop - low]
    )
    return first, last


def _alike(most: int, same: Callable[[int, int], bool]) -> int:
    """Return how many of ``most`` places are the ``same``, counted from 0; each half is compared once."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low
