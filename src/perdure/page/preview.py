"""Previews: what enters the window in place of a long result.

Invariants:
- A preview takes no more than its budget, and at most half of what the whole takes: else there is none.
- Lines that it holds from the ends of the result are word for word the result's, and it says which they are and
  which are left out. What it tells of those left out, it tells with their numbers.
- The same result, handle and budget give the same preview. Time grows with the size of the result, and what is
  looked at closely is bounded.
"""

from typing import Final, NamedTuple

from perdure.page.handles import RECALL_NAME, plain
from perdure.page.outlines.code import code_outline
from perdure.page.outlines.log import log_outline
from perdure.page.outlines.places import matches_outline, patch_outline
from perdure.page.outlines.prose import headings_outline
from perdure.page.outlines.shape import long_text, shape_outline
from perdure.page.outlines.sheet import Lined, sheet_of
from perdure.page.outlines.table import table_outline
from perdure.values.limits import PREVIEW_CHARACTERS_MIN

_FRAME: Final = 160
"""Characters kept for the lines between the parts."""


class Ends(NamedTuple):
    """The first and the last lines of a text: how many whole ones, and the words themselves."""

    head: str
    first: int
    """lines of the head that are whole"""
    tail: str
    last: int


_OUTLINE: Final = 65
"""Hundredths of the room that an outline may take; JSON is all outline."""

_HEAD_OF_OUTPUT: Final = 30
_TAIL_OF_OUTPUT: Final = 40
"""Hundredths for the ends of a command's output: the result and the last error stand at its end."""


class _Plan(NamedTuple):
    """What is told of the lines that are left out, and how the rest of the room is shared, in hundredths."""

    title: str
    outline: tuple[str, ...]
    head: int
    tail: int


def preview(text: str, *, handle: str, about: str, tokens: int, budget: int) -> str | None:
    """Return what stands in the place of ``text`` in at most ``budget`` tokens; None where that wouldn't pay.

    ``about`` is the path or command that it came from, ``tokens`` about what it takes whole, ``handle`` its page's.
    """
    room = min(budget * len(text) // max(tokens, 1), len(text) // 2)
    if room < PREVIEW_CHARACTERS_MIN:
        return None
    sheet = sheet_of(text, about)
    opening = _opening(handle, about, tokens, sheet.total)
    inner = long_text(sheet)
    if inner is not None:
        beside = f"; beside it: {inner.beside}" if inner.beside else ""
        opening += f"\n[it is JSON; lines are counted here within its text {inner.field}{beside}]"
        sheet = sheet_of(inner.text, about)
    shown = "\n".join([opening, *_filled(sheet, max(0, room - len(opening) - _FRAME))])
    return shown if len(shown) <= room else None


def _filled(sheet: Lined, free: int) -> list[str]:
    """Return the ends of ``sheet`` and what lies between them, in about ``free`` characters."""
    plan = _planned(sheet, free)
    spare = free - sum(len(line) + 1 for line in plan.outline)
    ends = ends_of(sheet.text, spare * plan.head // 100, spare * plan.tail // 100)
    if not plan.outline:
        hidden = range(ends.first + 1, sheet.total - ends.last + 1)
        told = log_outline(sheet, free - len(ends.head) - len(ends.tail), hidden)
        plan = plan._replace(outline=tuple(told))
    return _parts(sheet, ends, plan)


def _opening(handle: str, about: str, tokens: int, count: int) -> str:
    source = f"{plain(about)}, " if about else ""
    words = f"a preview of {source}{_counted(count, 'line')}, {_counted(tokens, 'token')}"
    return f"[perdure: {words}. {RECALL_NAME} with page {handle} gives it whole or in part, word for word.]"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _parts(sheet: Lined, ends: Ends, plan: _Plan) -> list[str]:
    """Return the ends and the outline, each under a line that says what it is."""
    parts: list[str] = []
    if ends.head:
        whole = (
            f"[{_lines(1, ends.first)}:]"
            if ends.first
            else f"[the first {len(ends.head)} characters of line 1:]"
        )
        parts += [whole, ends.head]
    first = ends.first + 1 + (not ends.first and bool(ends.head))
    last = sheet.total - ends.last - (not ends.last and bool(ends.tail))
    left = f"{_lines(first, last)} left out" if first <= last else "the rest left out"
    parts += [f"[{left}; {plan.title}:]" if plan.outline else f"[{left}]", *plan.outline]
    if ends.tail:
        whole = f"[{_lines(last + 1, sheet.total)}:]"
        parts += [whole if ends.last else f"[the last {len(ends.tail)} characters:]", ends.tail]
    return parts


def _planned(sheet: Lined, free: int) -> _Plan:
    """Return what kind of text it is by its outline, and what its ends get of the room that is left."""
    found = shape_outline(sheet, free)
    if found:
        return _Plan("the shape of its JSON", tuple(found), 0, 0)
    for title, outline, head, tail in _KINDS:
        found = outline(sheet, free * _OUTLINE // 100)
        if found:
            return _Plan(title, tuple(found), head, tail)
    return _Plan("what counts in them", (), _HEAD_OF_OUTPUT, _TAIL_OF_OUTPUT)


_KINDS: Final = (
    ("the patch in outline", patch_outline, 100, 0),
    ("the matches in outline", matches_outline, 70, 30),
    ("definitions", code_outline, 70, 30),
    ("the table in outline", table_outline, 70, 30),
    ("headings", headings_outline, 70, 30),
)
"""What is looked for in a text, in this order, with the hundredths of the rest that its head and tail get."""


def ends_of(text: str, head: int, tail: int) -> Ends:
    """Return as many whole lines from both ends of ``text`` as fit into ``head`` and ``tail`` characters.

    Where not even one line fits, as much of it as does.
    """
    end = len(text) - text.endswith("\n")
    cut = text.rfind("\n", 0, head + 1) + 1
    first = text[:cut].removesuffix("\n") if cut else text[:head]
    begin = text.find("\n", max(cut, end - tail) - 1, end) + 1 if tail else 0
    if begin:
        last, whole = text[begin:end], text.count("\n", begin, end) + 1
    else:
        last, whole = text[max(cut or head, end - tail) : end] if tail else "", 0
    return Ends(first, text.count("\n", 0, cut), last, whole)
