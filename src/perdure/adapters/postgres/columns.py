"""The one door for what comes out of a row: a column of another type than was asked for is damage."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import psycopg
from psycopg.abc import QueryNoTemplate
from psycopg.rows import args_row

from perdure.values.errors import StoreDamaged

T = TypeVar("T")


def asked(
    db: "psycopg.Connection[tuple[object, ...]]",
    make: Callable[..., T],
    what: QueryNoTemplate,
    words: Sequence[object] | Mapping[str, object] = (),
) -> list[T]:
    """Return the rows of a statement, each as ``make`` makes it of its columns, whose types the tables vouch for."""
    return db.cursor(row_factory=args_row(make), binary=True).execute(what, words).fetchall()


def asked_one(
    db: "psycopg.Connection[tuple[object, ...]]",
    make: Callable[..., T],
    what: QueryNoTemplate,
    words: Sequence[object] | Mapping[str, object] = (),
) -> T | None:
    """Return the first row of a statement, or None."""
    return db.cursor(row_factory=args_row(make), binary=True).execute(what, words).fetchone()


def whole(value: object) -> int:
    """Return a column that holds a whole number."""
    if isinstance(value, int):
        return value
    raise StoreDamaged(f"a row holds {type(value).__name__} where a number is due")


def raw(value: object) -> bytes:
    """Return a column that holds bytes."""
    if isinstance(value, bytes):
        return value
    raise StoreDamaged(f"a row holds {type(value).__name__} where bytes are due")


def text(value: object) -> str:
    """Return a column that holds text."""
    if isinstance(value, str):
        return value
    raise StoreDamaged(f"a row holds {type(value).__name__} where text is due")
