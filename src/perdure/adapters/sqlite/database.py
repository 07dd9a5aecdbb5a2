"""The one door to SQLite: a connection as this adapter uses it, and rows of the types tables promise."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias, cast

import apsw

from perdure.values.errors import StoreDamaged

Value: TypeAlias = int | float | bytes | str | None
Row: TypeAlias = tuple[Value, ...]


class Cursor(Protocol):
    """The answer to a statement."""

    def fetchall(self) -> list[Row]: ...


class Copying(Protocol):
    """A copy of one database into another, under way."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...
    def step(self, npages: int = -1, /) -> bool: ...


class Database(Protocol):
    """What we use of ``apsw.Connection``, typed without APSW's open-ended values."""

    def execute(self, statements: str, bindings: Sequence[Value] = ..., /) -> Cursor: ...
    def executemany(self, statements: str, bindings: Iterable[Sequence[Value]], /) -> Cursor: ...
    def close(self) -> None: ...
    def config(self, op: int, /, *args: int) -> int: ...
    def set_busy_handler(self, call: Callable[[int], bool] | None, /) -> None: ...
    def set_busy_timeout(self, milliseconds: int, /) -> None: ...
    def set_wal_hook(self, call: Callable[[object, str, int], int] | None, /) -> None: ...
    def wal_checkpoint(self, dbname: str | None = None, mode: int = ...) -> tuple[int, int]: ...
    def total_changes(self) -> int: ...
    def backup(self, target: str, source: "Database", name: str, /) -> Copying: ...
    @property
    def in_transaction(self) -> bool: ...


def connect(path: str, flags: int, vfs: str | None) -> Database:
    """Return a new connection to the file at ``path``."""
    return cast("Database", cast("object", apsw.Connection(path, flags=flags, vfs=vfs)))


def ask(db: Database, sql: str, values: Sequence[Value] = ()) -> list[Row]:
    """Return all rows of a query."""
    return db.execute(sql, values).fetchall()


def ask_one(db: Database, sql: str, values: Sequence[Value] = ()) -> Row | None:
    """Return the first row, if there is one."""
    rows = db.execute(sql, values).fetchall()
    return rows[0] if rows else None


def number(db: Database, sql: str, values: Sequence[Value] = ()) -> int:
    """Return the one number that a query answers with; 0 for no row or NULL."""
    row = ask_one(db, sql, values)
    return 0 if row is None or row[0] is None else whole(row[0])


def whole(value: Value) -> int:
    if isinstance(value, int):
        return value
    raise StoreDamaged(f"a number was expected, not {type(value).__name__}")


def text(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise StoreDamaged(f"text was expected, not {type(value).__name__}")


def raw(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    raise StoreDamaged(f"bytes were expected, not {type(value).__name__}")


def whole_or_none(value: Value) -> int | None:
    return None if value is None else whole(value)


def text_or_none(value: Value) -> str | None:
    return None if value is None else text(value)


def packed(name: str) -> bytes | str:
    """Return a digest in hex as its bytes, which take half the room; any other name as it is."""
    if len(name) in (40, 64):
        try:
            short = bytes.fromhex(name)
        except ValueError:
            return name
        if short.hex() == name:
            return short
    return name


def unpacked(value: Value) -> str:
    """Return the name that ``packed`` was given."""
    return value.hex() if isinstance(value, bytes) else text(value)
