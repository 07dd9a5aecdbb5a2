"""The part of an APSW connection that we use, with types; the one door to it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import apsw

from perdure.adapters.tools.context import SqlValue

Row = tuple[SqlValue, ...]
Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class Rows(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Row | None:
        """Return the next row."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        ...


class Connection(Protocol):
    """An open SQLite file."""

    authorizer: Authorizer | None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, statements: str, bindings: Sequence[SqlValue] = ...) -> Rows:
        """Run statements."""
        ...

    def interrupt(self) -> None:
        """Abort what runs now; any thread may say so."""
        ...

    def close(self, force: bool = ...) -> None:  # noqa: FBT001 - the shape that APSW has
        """Close it, rolling back what isn't committed."""
        ...


def connected(path: Path, *, wait: float, make: bool, vfs: str | None) -> Connection:
    """Return a connection that waits up to ``wait`` seconds for locks and syncs each commit."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if make else 0)
    opened = cast("Connection", cast("object", apsw.Connection(str(path), flags=flags, vfs=vfs)))
    opened.execute(f"PRAGMA busy_timeout={int(wait * 1000)}")
    opened.execute("PRAGMA synchronous=FULL")
    return opened
