"""Finding pages: by path, tool, turn and what is in them; for the model, and for a client that compacts.

Invariant: what is looked for is plain text. No pattern of a model is ever run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from perdure.log.events import Content
from perdure.page.handles import RECALL_NAME, plain
from perdure.projection.state import Page
from perdure.values.limits import (
    RECALL_LINE_CHARACTERS_MAX,
    RECALL_LINES_SHOWN_MAX,
    RECALL_PAGES_SHOWN_MAX,
    RECALL_SEARCH_BYTES_MAX,
)


class Passages(NamedTuple):
    """The lines of a page that hold a text, and the stretch of bytes in which they lie."""

    text: str
    start: int = 0
    size: int = 0


def found_in(page: Page, content: bytes, text: str) -> Passages:
    """Return the lines of ``page`` that hold ``text``, with their numbers."""
    wanted = text.encode("utf-8", "surrogatepass")
    lines: list[str] = []
    count, number, counted, start, end = 0, 1, 0, 0, 0
    place = content.find(wanted)
    while place >= 0:
        first = content.rfind(b"\n", 0, place) + 1
        last = content.find(b"\n", place + len(wanted))
        last = len(content) if last < 0 else last
        count += 1
        if len(lines) < RECALL_LINES_SHOWN_MAX:
            number += content.count(b"\n", counted, first)
            counted = first
            start, end = (start if lines else first), last
            lines.append(f"{number}: {_around(content, first, last, place)}")
        place = content.find(wanted, max(last, place + 1))
    if not lines:
        return Passages(
            f"No line of {page.page} holds that text. It is looked for as it stands, letter by letter."
        )
    more = f" of {count}" if count > len(lines) else ""
    head = f'[perdure: {page.page}, {len(lines)}{more} lines that hold it; read on with "page" and "line"]'
    return Passages("\n".join((head, *lines)), start, end - start)


def listed(pages: Sequence[Page], read: Callable[[Content], bytes], find: str, *, of: int) -> str:
    """Return ``pages``, newest first, those alone that hold ``find`` where it is given; there are ``of`` in all."""
    if not of:
        return "No tool result of this conversation was kept yet."
    lines: list[str] = []
    count, budget = 0, RECALL_SEARCH_BYTES_MAX
    wanted = find.encode("utf-8", "surrogatepass")
    stopped = ""
    for page in sorted(pages, key=lambda each: each.admitted, reverse=True):
        line = _line(page)
        if find:
            budget -= page.content.size
            if budget < 0:
                stopped = f" The search stopped at {page.page} of turn {page.number}; narrow it by path, tool or turn."
                break
            content = read(page.content)
            place = content.find(wanted)
            if place < 0 and find not in page.about:
                continue
            line += _first(content, place)
        count += 1
        if len(lines) < RECALL_PAGES_SHOWN_MAX:
            lines.append(line)
    if not lines:
        return f"None of {of} results fits.{stopped} Call without arguments to list the newest."
    more = (
        f" The newest {len(lines)} of {count}; narrow it by path, tool, turn or find."
        if count > len(lines)
        else ""
    )
    return "\n".join((f"[perdure: {count} of {of} results.{more}{stopped}]", *lines))


def index(pages: Mapping[str, Page]) -> str:
    """Return the handles that a summary of the conversation should keep; empty where there are none.

    Of several results about the same thing the newest stands for all: the others are found by path.
    """
    newest: dict[tuple[str, str], Page] = {}
    for page in _newest_first(pages.values()):
        newest.setdefault((page.tool, page.about or page.page), page)
    if not newest:
        return ""
    shown = list(newest.values())[:RECALL_PAGES_SHOWN_MAX]
    more = (
        f" The newest {len(shown)} of {len(pages)}; {RECALL_NAME} lists the others."
        if len(shown) < len(pages)
        else ""
    )
    head = (
        f"[perdure: after this, {RECALL_NAME} still gives these tool results by their handles, byte for byte. "
        f"Keep in the summary, word for word, the handles of those that may be needed again.{more}]"
    )
    return "\n".join((head, *(_line(page) for page in shown)))


def _newest_first(pages: Iterable[Page]) -> list[Page]:
    kept = (page for page in pages if page.exempt in ("", "error"))
    return sorted(kept, key=lambda page: (page.admitted, page.page), reverse=True)


def _line(page: Page) -> str:
    lines = f", {page.lines} lines" if page.lines > 1 else ""
    source = " ".join(word for word in (plain(page.tool), plain(page.about)) if word) or "a result"
    return f"{page.page} turn {page.number}: {source} ({page.tokens} tokens{lines})"


def _first(content: bytes, place: int) -> str:
    if place < 0:
        return ""
    first = content.rfind(b"\n", 0, place) + 1
    last = content.find(b"\n", place)
    number = content.count(b"\n", 0, first) + 1
    return f"\n  {number}: {_around(content, first, len(content) if last < 0 else last, place)}"


def _around(content: bytes, first: int, last: int, place: int) -> str:
    """Return the line from ``first`` to ``last``, or what of it stands around ``place``."""
    before = max(first, place - RECALL_LINE_CHARACTERS_MAX // 2)
    after = min(last, before + RECALL_LINE_CHARACTERS_MAX)
    cut = content[before:after].decode("utf-8", "replace")
    return f"{'...' if before > first else ''}{cut}{'...' if after < last else ''}"
