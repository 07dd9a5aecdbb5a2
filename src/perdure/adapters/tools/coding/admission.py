"""What a command prints, admitted in part: its beginning, its end, and how much stood between.

Memory stays within the two bounds, whatever is printed.
"""

from perdure.adapters.tools.coding.text import shown
from perdure.values.limits import SHELL_HEAD_BYTES, SHELL_TAIL_BYTES


class Admitted:
    """The beginning and the end of a stream of bytes."""

    def __init__(self, *, head: int = SHELL_HEAD_BYTES, tail: int = SHELL_TAIL_BYTES) -> None:
        """Keep ``head`` bytes of the beginning and ``tail`` bytes of the end."""
        self._head_max: int = head
        self._tail_max: int = tail
        self._head: bytearray = bytearray()
        self._tail: bytearray = bytearray()
        self._cut: int = 0
        self._cut_lines: int = 0

    def take(self, piece: bytes) -> None:
        """Take the next bytes."""
        room = self._head_max - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:] if room > 0 else piece
        if len(self._tail) > 2 * self._tail_max:
            self._trim()

    def text(self, *, dropped: int = 0) -> str:
        """Return what is kept, with a line that says what isn't; ``dropped`` bytes never came here."""
        self._trim()
        cut = self._cut + dropped
        head, tail = bytes(self._head), bytes(self._tail)
        if not cut:
            return (head + tail).decode("utf-8", "replace")
        lines = f" in {self._cut_lines} lines" if self._cut_lines and not dropped else ""
        gap = f"\n[... {cut} bytes{lines} left out ...]\n"
        return shown(head, cut=True)[0] + gap + _after(tail).decode("utf-8", "replace")

    def _trim(self) -> None:
        over = len(self._tail) - self._tail_max
        if over > 0:
            self._cut += over
            self._cut_lines += self._tail.count(b"\n", 0, over)
            del self._tail[:over]


def _after(tail: bytes) -> bytes:
    """Return ``tail`` without the rest of the letter that the cut has halved."""
    start = 0
    while start < min(3, len(tail)) and 0x80 <= tail[start] < 0xC0:
        start += 1
    return tail[start:]
