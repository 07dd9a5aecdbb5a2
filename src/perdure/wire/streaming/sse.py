"""Server-sent events, exact about bytes: where each one ends, what it says, and the bytes that it came in.

Invariants:
- The pieces that come out, put together, are the bytes that went in.
- Where a piece ends depends on the bytes alone, never on how they were cut into chunks.
"""

import re
from typing import Final, NamedTuple

from perdure.values.limits import STREAM_EVENT_BYTES_MAX

_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")
"""The end of a line and of a blank one. A CR as the last byte waits for the next one: it may be half of an end."""

_LINE: Final = re.compile(rb"\r\n|\n|\r")
_END_BYTES_MAX: Final = 4
_BOM: Final = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """What an event says."""

    name: bytes
    data: bytes


class SseSplitter:
    """Cuts a stream into the bytes of its events."""

    def __init__(self) -> None:
        """Begin."""
        self._rest = bytearray()
        self._looked = 0
        self._begun = False
        self._returns = False
        self.overflown = False
        """an event was too large: from there on bytes pass as they come, and are no events"""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that are complete now, each in the bytes that it came in."""
        if self.overflown:
            return [chunk] if chunk else []
        self._rest += chunk
        self._returns = self._returns or b"\r" in chunk
        pieces: list[bytes] = []
        start = 0 if self._begun else self._mark(pieces)
        looked = max(start, self._looked)
        while (end := self._end(looked)) >= 0:
            pieces.append(bytes(self._rest[start:end]))
            start = looked = end
        del self._rest[:start]
        self._looked = max(0, len(self._rest) - _END_BYTES_MAX)
        if len(self._rest) > STREAM_EVENT_BYTES_MAX:
            self.overflown = True
            pieces.append(self.close())
        return pieces

    def close(self) -> bytes:
        """Return what is left: the beginning of an event that never ended, or one that ended with a CR."""
        rest = bytes(self._rest)
        self._rest.clear()
        self._looked = 0
        return rest

    def _mark(self, pieces: list[bytes]) -> int:
        """Cut off the byte order mark that a stream may begin with; return where its events begin."""
        if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
            return 0
        self._begun = True
        if not self._rest.startswith(_BOM):
            return 0
        pieces.append(_BOM)
        return len(_BOM)

    def _end(self, start: int) -> int:
        if not self._returns:
            found = self._rest.find(b"\n\n", start)
            return found + 2 if found >= 0 else -1
        match = _END.search(self._rest, start)
        return match.end() if match is not None else -1


def read(piece: bytes) -> SseEvent:
    """Return what the event in ``piece`` says; its data is empty where it is a comment, or nothing."""
    name = b""
    lines: list[bytes] = []
    for line in _LINE.split(piece) if b"\r" in piece else piece.split(b"\n"):
        if line.startswith(b"data"):
            if line[4:5] == b":":
                lines.append(line[6:] if line[5:6] == b" " else line[5:])
            elif len(line) == 4:
                lines.append(b"")
        elif line.startswith(b"event:"):
            name = line[7:] if line[6:7] == b" " else line[6:]
    return SseEvent(name, lines[0] if len(lines) == 1 else b"\n".join(lines))


def spelled_event(name: bytes, data: bytes) -> bytes:
    """Return the bytes of an event; ``data`` is one line."""
    return b"event: %b\ndata: %b\n\n" % (name, data) if name else b"data: %b\n\n" % data
