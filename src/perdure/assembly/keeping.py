"""Keeping a store: copies, figures, and saying which copy counts."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from perdure.adapters.sqlite import SqliteStore
from perdure.adapters.sqlite.stats import StoreStats


def back_up(location: Path, target: Path) -> None:
    """There is a consistent copy at ``target``; it opens with its runs suspended.

    Raises ``BadInput`` if something is there already.
    """
    with _opened(location) as books:
        books.backup(target)


def stats_of(location: Path) -> StoreStats:
    """Return what the store holds and how much room it takes."""
    with _opened(location) as books:
        return books.stats()


def release_store(location: Path, by: str) -> None:
    """``by`` says that this copy is the one that counts; its runs may be driven from here on."""
    with _opened(location) as books:
        books.release_store(by)


@contextmanager
def _opened(location: Path) -> Generator[SqliteStore]:
    with SqliteStore(location, create=False) as books:
        yield books
