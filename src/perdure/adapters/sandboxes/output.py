"""What a command says, kept within bounds: its beginning and its end."""

from typing import NamedTuple


class Kept(NamedTuple):
    """Output as kept; ``cut`` bytes are missing in the middle, where a line says so."""

    output: bytes
    cut: int


class Ears:
    """Takes output piece by piece and keeps the first and the last half of ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        """Keep ``limit`` bytes at most."""
        self._head_max: int = limit // 2
        self._tail_max: int = limit - limit // 2
        self._head: bytearray = bytearray()
        self._tail: bytearray = bytearray()
        self._cut: int = 0

    def hear(self, piece: bytes) -> None:
        """Keep what fits of ``piece``."""
        room = self._head_max - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        # Cut in large steps, so that output of any length is moved a bounded number of times.
        if len(self._tail) > 2 * self._tail_max:
            self._trim()

    def kept(self) -> Kept:
        """Return all that is kept."""
        self._trim()
        if not self._cut:
            return Kept(bytes(self._head + self._tail), 0)
        gap = f"\n[... {self._cut} bytes cut ...]\n".encode()
        return Kept(bytes(self._head + gap + self._tail), self._cut)

    def _trim(self) -> None:
        extra = len(self._tail) - self._tail_max
        if extra > 0:
            del self._tail[:extra]
            self._cut += extra
