"""Bars and small curves out of block characters, for a terminal of any width."""

from collections.abc import Sequence
from typing import Final

from perdure.cli.drawing.ink import Tone, inked

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_HEIGHTS: Final = " ▁▂▃▄▅▆▇█"


def bar(value: float, largest: float, width: int) -> str:
    """Return a bar as long as ``value`` is of ``largest``, in eighths of a character; never nothing for something."""
    if value <= 0 or largest <= 0:
        return " " * width
    eighths = max(round(min(value / largest, 1.0) * width * 8), 1)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def stacked(parts: Sequence[tuple[float, Tone]], width: int) -> str:
    """Return one line shared out among ``parts``; what is there at all gets a character if the width allows it."""
    total = sum(value for value, _ in parts)
    if total <= 0:
        return ""
    ends: list[int] = []
    sum_before = 0.0
    for value, _ in parts:
        sum_before += value
        ends.append(round(sum_before / total * width))
    begins = [0, *ends[:-1]]
    pieces = zip(parts, begins, ends, strict=True)
    return "".join(inked("█" * (end - begin), tone) for (_, tone), begin, end in pieces if end > begin)


def dumbbell(low: float, high: float, scale: tuple[float, float], width: int) -> str:
    """Return the stretch from ``low`` to ``high`` on a line, with a stroke where it is 1; both ends stay within."""
    begin, end = scale

    def column(value: float) -> int:
        return min(max(round((value - begin) / (end - begin) * (width - 1)), 0), width - 1)

    line = [" "] * width
    line[column(1.0)] = "│"
    first, last = column(low), column(high)
    for place in range(first, last + 1):
        line[place] = "━"
    line[first], line[last] = "●", "○" if last > first else "●"
    return "".join(line)


def curve(values: Sequence[float], largest: float, width: int) -> str:
    """Return ``values`` as heights, the largest of those that fall into one column."""
    if not values or largest <= 0:
        return ""
    columns = min(width, len(values))
    tops = [
        max(values[place * len(values) // columns : max((place + 1) * len(values) // columns, 1)])
        for place in range(columns)
    ]
    return "".join(_HEIGHTS[min(max(round(top / largest * 8), 1), 8)] for top in tops)
