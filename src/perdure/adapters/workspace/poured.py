"""The content of a recorded file, piece by piece: what lies between pieces is zeros."""

import io
from collections.abc import Iterator
from typing import Final

from perdure.checkpoint.tree import Entry, Fetch, read_recipe

_ZEROS: Final = bytes(1024 * 1024)


def pieces(fetch: Fetch, entry: Entry) -> Iterator[bytes]:
    """Yield the bytes of the file ``entry`` in order, with at most one piece in memory."""
    content = fetch(entry.content.hex())
    if not entry.recipe:
        yield content
        return
    recipe = read_recipe(content)
    at = 0
    for piece in recipe.pieces:
        yield from _hole(piece.start - at)
        yield fetch(piece.blob.hex())
        at = piece.start + piece.size
    yield from _hole(recipe.size - at)


def _hole(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(_ZEROS)):
        yield _ZEROS[: size - start]


class Poured(io.RawIOBase):
    """The same as a file to be read once, for who wants one."""

    def __init__(self, fetch: Fetch, entry: Entry) -> None:
        """Read the file ``entry``."""
        super().__init__()
        self._pieces: Iterator[bytes] = pieces(fetch, entry)
        self._rest: memoryview = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, none at the end; ``size`` below 0 asks for all."""
        taken: list[bytes] = []
        while size:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
                continue
            part = self._rest if size < 0 else self._rest[:size]
            taken.append(bytes(part))
            self._rest = self._rest[len(part) :]
            size -= len(part) if size > 0 else 0
        return b"".join(taken)
