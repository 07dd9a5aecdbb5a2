"""The objects of a JSON text that is too large to parse at once: those of its outermost array, or itself.

Invariants:
- Only brackets, quotes and backslashes are looked at; whether an object is valid JSON, its reader says.
- What is held is one object, cut off at a limit.
"""

import re
from collections.abc import Iterator
from typing import Final

_SIGNS: Final = re.compile(rb'[{}"]')
_ENDS: Final = re.compile(rb'["\\]')


class ArraySplitter:
    """Pieces of a text in, whole objects out."""

    def __init__(self, limit: int) -> None:
        """An object longer than ``limit`` bytes comes out as None."""
        self._limit: int = limit
        self._depth: int = 0
        self._quoted: bool = False
        self._escaped: bool = False
        self._held: list[bytes] = []
        self._size: int = 0

    @property
    def open(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._depth > 0

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """Yield the objects that end in ``chunk``."""
        place, begin = 0, 0
        while place < len(chunk):
            if self._quoted:
                place = self._unquoted(chunk, place)
                continue
            found = _SIGNS.search(chunk, place)
            if found is None:
                break
            place, sign = found.end(), found[0]
            if sign == b'"':
                self._quoted = self._depth > 0
            elif sign == b"{":
                begin = found.start() if not self._depth else begin
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    self._hold(chunk[begin:place])
                    yield self._taken()
        if self._depth:
            self._hold(chunk[begin:])

    def _unquoted(self, chunk: bytes, place: int) -> int:
        """Return where looking goes on in a chunk that is within a string at ``place``."""
        if self._escaped:
            self._escaped = False
            return place + 1
        found = _ENDS.search(chunk, place)
        if found is None:
            return len(chunk)
        if found[0] == b'"':
            self._quoted = False
        else:
            self._escaped = True
        return found.end()

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._held.append(piece)
        else:
            self._held.clear()

    def _taken(self) -> bytes | None:
        held, size = b"".join(self._held), self._size
        self._held.clear()
        self._size = 0
        return held if size <= self._limit else None
