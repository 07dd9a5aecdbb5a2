"""The one door for what comes out of a row: a column of another type than was asked for is damage."""

from perdure.values.errors import StoreDamaged


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
