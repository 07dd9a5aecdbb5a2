"""Values and statements in the binary form that goes to the server: few types, no text to be parsed."""

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

Value = int | str | bytes | bool | None
"""What one column of one row holds."""

Row = tuple[Value, ...]

_LENGTH: Final = struct.Struct("!i")
_INT8: Final = struct.Struct("!q")
_INT2: Final = struct.Struct("!h")
_ARRAY: Final = struct.Struct("!iiIii")
_NULL: Final = _LENGTH.pack(-1)


def _text(value: Value) -> bytes:
    return str(value).encode()


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


def _whole(value: Value) -> bytes:
    return _INT8.pack(value)


def _small(value: Value) -> bytes:
    return _INT2.pack(value)


class SqlType(NamedTuple):
    """One of the server's types, and how a value of it is written."""

    oid: int
    encode: Callable[[Value], bytes]
    array: int
    """the oid of the type's arrays"""


INT: Final = SqlType(20, _whole, 1016)
SMALL: Final = SqlType(21, _small, 1005)
TEXT: Final = SqlType(25, _text, 1009)
BYTES: Final = SqlType(17, _bytes, 1001)


class Many(NamedTuple):
    """An array of a kind: one column of many rows."""

    of: SqlType


def encoded(kind: SqlType | Many, value: "Value | Sequence[Value]") -> bytes | None:
    """Return ``value`` as a parameter of ``kind``; None stays NULL."""
    if isinstance(kind, Many):
        return _array(kind.of, value if isinstance(value, list | tuple) else ())
    return kind.encode(value) if isinstance(value, int | str | bytes) else None


def _array(kind: SqlType, values: Sequence[Value]) -> bytes:
    count, nulls = len(values), None in values
    head = _ARRAY.pack(1, int(nulls), kind.oid, count, 1)
    if nulls:
        return head + b"".join([_item(kind, value) for value in values])
    # Columns are most of what a group commit makes here: each is made at once.
    if kind is INT:
        whole: list[Value] = [8] * (2 * count)
        whole[1::2] = values
        return head + struct.pack("!" + "iq" * count, *whole)
    items = list(map(kind.encode, values))
    parts = [head] * (2 * count + 1)
    parts[1::2] = map(_LENGTH.pack, map(len, items))
    parts[2::2] = items
    return b"".join(parts)


def _item(kind: SqlType, value: Value) -> bytes:
    if value is None:
        return _NULL
    item = kind.encode(value)
    return _LENGTH.pack(len(item)) + item


# -- what comes back -------------------------------------------------------------------------------------

Decode = Callable[[bytes], Value]


def read_int(content: bytes) -> int:
    return int.from_bytes(content, "big", signed=True)


def read_text(content: bytes) -> str:
    return content.decode()


def read_bytes(content: bytes) -> bytes:
    return content


def read_bool(content: bytes) -> bool:
    return content != b"\0"


class Statement(NamedTuple):
    """SQL that is prepared once on a connection, with the kinds of what goes in and comes back."""

    text: str
    kinds: tuple[SqlType | Many, ...] = ()
    returns: tuple[Decode, ...] = ()
