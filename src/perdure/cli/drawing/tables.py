"""Aligned columns for a person's eyes."""

import shutil
import textwrap
from collections.abc import Sequence

from perdure.cli.drawing.ink import Tone, inked, is_terminal, one_line

Cell = tuple[str, Tone]


def table(rows: Sequence[Sequence[Cell]], *, head: Sequence[str] = (), indent: str = "") -> str:
    """Return ``rows`` in columns; on a terminal the last column is cut to what fits."""
    spoken: list[list[Cell]] = [[(one_line(text), tone) for text, tone in row] for row in rows]
    if head and rows:
        spoken.insert(0, [(text, "quiet") for text in head])
    if not spoken:
        return ""
    widths = [max(len(row[column][0]) for row in spoken) for column in range(len(spoken[0]))]
    before = len(indent) + sum(widths[:-1]) + 2 * (len(widths) - 1)
    last = max(shutil.get_terminal_size().columns - before, 12) if is_terminal() else 0
    return "\n".join(indent + _row(row, widths, last) for row in spoken)


def facts(rows: Sequence[tuple[str, str]], *, indent: str = "") -> str:
    """Return names and what is known under them; on a terminal long words go on below, nothing is cut."""
    width = max((len(name) for name, _ in rows), default=0)
    lines: list[str] = []
    for name, words in rows:
        first, *rest = wrapped(one_line(words), len(indent) + width + 2)
        lines.append(f"{indent}{inked(name.ljust(width), 'quiet')}  {first}")
        lines += [f"{indent}{' ' * width}  {line}" for line in rest]
    return "\n".join(lines)


def wrapped(text: str, used: int) -> list[str]:
    """Return the lines of ``text``; on a terminal none is wider than what is left beside ``used`` columns."""
    room = max(shutil.get_terminal_size().columns - used, 20) if is_terminal() else 0
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        lines += textwrap.wrap(line, room) or [""] if room else [line]
    return lines


def _row(row: Sequence[Cell], widths: Sequence[int], last: int) -> str:
    cells = [inked(text.ljust(width), tone) for (text, tone), width in zip(row[:-1], widths, strict=False)]
    text, tone = row[-1]
    return "  ".join([*cells, inked(one_line(text, last), tone)])
