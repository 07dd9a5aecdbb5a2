"""What survives a death: the store, opened anew by each life."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from perdure.adapters.holders import Proof
from perdure.adapters.memory import MemoryStore
from perdure.driver.books import Books


class Disk(Protocol):
    """Holds a store from life to life."""

    def open(self) -> Books:
        """Return the store as a new program finds it."""
        ...

    def crash(self) -> None:
        """The program that had it open is dead; what the store acknowledged is still there."""
        ...

    def discard(self) -> None:
        """Nobody needs it any more."""
        ...


MakeDisk = Callable[[Proof], Disk]
"""Given what is known of a writer's life"""


class MemoryDisk:
    """A store in memory, which is there as long as the history is."""

    def __init__(self, proof: Proof) -> None:
        """Begin empty."""
        self._store: MemoryStore = MemoryStore(proof=proof)

    def open(self) -> Books:
        """Return the one store."""
        return self._store

    def crash(self) -> None:
        """Lose nothing."""

    def discard(self) -> None:
        """End the store."""
        self._store.close()


class SqliteDisk:
    """A SQLite store in a directory of its own, opened anew by each life."""

    def __init__(self, proof: Proof) -> None:
        """Make the directory."""
        self._proof: Proof = proof
        self._directory: Path = Path(tempfile.mkdtemp(prefix="perdure-disk-"))
        self._close: Callable[[], None] | None = None

    def open(self) -> Books:
        """Return the store, opened anew."""
        from perdure.adapters.sqlite.store import SqliteStore  # noqa: PLC0415 - APSW only where it is asked for

        self.crash()
        store = SqliteStore(self._directory, proof=self._proof)
        self._close = store.close
        return store

    def crash(self) -> None:
        """Close the dead program's files, as the system does; every acknowledged write is in them."""
        if self._close is not None:
            self._close()
            self._close = None

    def discard(self) -> None:
        """Remove the directory."""
        self.crash()
        shutil.rmtree(self._directory)
