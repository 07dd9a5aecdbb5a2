"""Previews: what enters the window in place of a long result.

Invariants:
- A preview takes no more than its budget, and at most half of what the whole takes: else there is none.
- Lines that it holds are word for word those of the result, and it says which they are and which are left out.
- The same result, handle and budget give the same preview. Time grows with the size of the result, and what is
  looked at closely is bounded.
"""

from typing import NamedTuple

from perdure.page.handles import RECALL_NAME, plain
from perdure.values.limits import PREVIEW_CHARACTERS_MIN

_FRAME = 200
"""Characters for the lines between the parts."""


class Ends(NamedTuple):
    """The first and the last lines of a text: how many whole ones, and the words themselves."""

    head: str
    first: int
    """lines of the head that are whole"""
    tail: str
    last: int


def preview(text: str, *, handle: str, about: str, tokens: int, budget: int) -> str | None:
    """Return what stands in the place of ``text`` in at most ``budget`` tokens; None where that wouldn't pay.

    ``about`` is the path or command that it came from, ``tokens`` about what it takes whole, ``handle`` its page's.
    """
    room = min(budget * len(text) // max(tokens, 1), len(text) // 2)
    if room < PREVIEW_CHARACTERS_MIN:
        return None
    count = text.count("\n") + (not text.endswith("\n"))
    opening = _opening(handle, about, tokens, count)
    free = room - len(opening) - _FRAME
    ends = ends_of(text, free * 2 // 3, free // 3)
    between = f"[lines {ends.first + 1}-{count - ends.last} left out]"
    return "\n".join(part for part in (opening, ends.head, between, ends.tail) if part)


def ends_of(text: str, head: int, tail: int) -> Ends:
    """Return as many whole lines from both ends of ``text`` as fit into ``head`` and ``tail`` characters.

    Where not even one line fits, it is cut.
    """
    cut = text.rfind("\n", 0, head) + 1
    first = text[: cut or head].removesuffix("\n")
    begin = text.find("\n", max(cut, len(text) - tail - 1)) + 1
    last = text[begin:].removesuffix("\n") if 0 < begin < len(text) else text[max(cut, len(text) - tail) :]
    whole = last.count("\n") + 1 if 0 < begin < len(text) else 0
    return Ends(first, text.count("\n", 0, cut), last, whole)


def _opening(handle: str, about: str, tokens: int, count: int) -> str:
    source = f" of {plain(about)}" if about else ""
    return (
        f"[perdure: a preview{source}, which has {count} lines and {tokens} tokens. {RECALL_NAME} with page {handle} "
        "gives all of it, or the lines from `line` on.]"
    )
