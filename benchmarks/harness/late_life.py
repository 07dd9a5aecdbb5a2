"""A broken build: the event that names a tree is written before the tree is. Its deaths must be noticed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from benchmarks.harness.life import Mortal, live
from perdure.adapters.sqlite import SqliteStore


class Late(Mortal):
    """Puts what it was given into the store after the next event."""

    def __init__(self, books: SqliteStore, moment: int) -> None:
        """Count the calls of ``books``."""
        super().__init__(books, moment)
        self._late: list[tuple[str, bytes]] = []

    def __getattr__(self, name: str) -> object:
        """Return the store's own method, or one that comes too late."""
        match name:
            case "put":
                return lambda digest, content: self._late.append((digest, content))
            case "has":
                return lambda digest: any(digest == each for each, _ in self._late) or self._books.has(digest)
            case "get":
                return lambda digest, start=0, size=None: (
                    dict(self._late).get(digest) or self._books.get(digest, start, size)
                )
            case "append":
                return self._append
            case _:
                return super().__getattr__(name)

    def _append(self, batch: object) -> object:
        answer = self._called("append", batch)
        late, self._late = self._late, []
        for digest, content in late:
            self._called("put", digest, content)
        return answer

    def _called(self, name: str, *args: object) -> object:
        return cast("Callable[..., object]", super().__getattr__(name))(*args)


if __name__ == "__main__":
    print(live(Path(sys.argv[1]), int(sys.argv[2]), Late))
