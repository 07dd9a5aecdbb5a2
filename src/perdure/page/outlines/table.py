"""Tables: the columns with samples, and how many rows."""

import csv
from collections.abc import Sequence
from typing import Final

from perdure.page.outlines.sheet import Lined, Numbered

_LOOKED: Final = 60
"""Rows that tell whether a text is a table."""

_REGULAR: Final = 0.9
"""Of them that have as many cells as the header; a cell with a line break in it makes an odd row or two."""

_ROWS_MIN: Final = 8
_COLUMNS_MAX: Final = 40
_SAMPLES: Final = 3
_CELL: Final = 28
"""Characters of a sample."""

_SEPARATORS: Final = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}


def table_outline(sheet: Lined, room: int) -> list[str]:
    """Return the columns of the table in ``sheet`` in at most ``room`` characters; nothing where it is none."""
    lines = [line for line in sheet.lines if line.text.strip()]
    if len(lines) < _ROWS_MIN:
        return []
    for separator, name in _SEPARATORS.items():
        rows = _rows(lines, separator)
        if rows:
            return _described(rows, name, len(lines), room)
    return []


def _rows(lines: Sequence[Numbered], separator: str) -> list[list[str]]:
    """Return the cells of the first rows and of some further on; nothing where they are not regular."""
    first = [line.text for line in lines[:_LOOKED]]
    if sum(separator in line for line in first) < _REGULAR * len(first):
        return []
    apart = [line.text for line in lines[_LOOKED :: max(1, len(lines) // _LOOKED)]][:_LOOKED]
    try:
        rows = list(csv.reader([*first, *apart], delimiter=separator))
    except csv.Error:
        return []
    width = len(rows[0])
    same = sum(len(row) == width for row in rows)
    words = sum(len(cell.split()) > 6 for row in rows for cell in row)
    if width < 2 or same < _REGULAR * len(rows) or words * 4 > width * len(rows):
        return []
    return rows


def _described(rows: list[list[str]], separator: str, count: int, room: int) -> list[str]:
    header, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    lines = [f"table parted by {separator}: {len(header)} columns, {count} rows with the first, which reads:"]
    for place, name in enumerate(header[:_COLUMNS_MAX]):
        cells = list(dict.fromkeys(row[place].strip() for row in body))
        samples = ", ".join(_cut(cell) or '""' for cell in cells[:_SAMPLES])
        lines.append(
            f"  {place + 1} {_cut(name.strip())}: {samples}{', ...' if len(cells) > _SAMPLES else ''}"
        )
    if len(header) > _COLUMNS_MAX:
        lines.append(f"  ... and {len(header) - _COLUMNS_MAX} more columns")
    shown: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    return shown


def _cut(cell: str) -> str:
    return cell if len(cell) <= _CELL else cell[: _CELL - 3] + "..."
