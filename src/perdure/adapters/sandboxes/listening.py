"""Hear the end of a pipe while a command runs, without ever making the command wait for us."""

import asyncio
import os
from collections.abc import Callable
from typing import Final, Self

_PIECE_BYTES: Final = 64 * 1024


class Listener:
    """A pipe whose other end is given to processes; what they write goes to ``hear``."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        """Open the pipe."""
        self._out: int
        self._in: int
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        self._hear: Callable[[bytes], None] = hear
        asyncio.get_running_loop().add_reader(self._out, self._take)

    @property
    def mouth(self) -> int:
        """The end to write to; closed here by ``given``."""
        return self._in

    def given(self) -> None:
        """The processes have their end: from here on it is theirs alone."""
        if self._in >= 0:
            os.close(self._in)
            self._in = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Take what is left, which is all if no process holds the other end, and close the pipe."""
        self.given()
        asyncio.get_running_loop().remove_reader(self._out)
        while self._take():
            pass
        os.close(self._out)

    def _take(self) -> bool:
        try:
            piece = os.read(self._out, _PIECE_BYTES)
        except BlockingIOError:
            return False
        if piece:
            self._hear(piece)
        else:
            asyncio.get_running_loop().remove_reader(self._out)
        return bool(piece)
