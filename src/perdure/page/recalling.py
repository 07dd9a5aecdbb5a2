"""The recall tool: what the model is told of it, what it may ask, and the exact bytes that it gets.

Invariants:
- The declaration never changes: it stands in front of everything that a provider has cached.
- A page that fits into one answer is given as it is, nothing before it and nothing behind it. A range is one line
  that says where it lies and how to go on, and then the bytes as they are; ranges put together are the page.
- What is asked wrongly is answered with the field that is wrong and the cure, never with a guess.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

from perdure.intention.declaration import Declaration
from perdure.log.events import Content
from perdure.page.finding import found_in, listed
from perdure.page.handles import RECALL_NAME, handles_in, plain
from perdure.projection.state import Page
from perdure.values.digest import Json
from perdure.values.limits import RECALL_BYTES_MAX

RECALL: Final = Declaration(
    name=RECALL_NAME,
    description=(
        "Returns, byte for byte, tool results that perdure moved out of the context window to save cost. Give "
        "`page` (the handle that stands in the result's place), with `line` and `lines` for a part of it, or `find` "
        "for the lines in it that hold a text. Without `page` it lists results of this conversation, newest first, "
        "by `path`, `tool`, `turn` or a text to `find`. It shows results as they were; call the tool itself for the "
        "present state."
    ),
    schema={
        "type": "object",
        "properties": {
            "page": {"type": "string", "description": "handle, like p-7mq2xw9c4k"},
            "line": {"type": "integer", "description": "first line wanted, from 1"},
            "lines": {"type": "integer", "description": "how many lines"},
            "after": {"type": "integer", "description": "bytes to skip, as an earlier answer said"},
            "find": {"type": "string", "description": "plain text to look for"},
            "path": {"type": "string", "description": "part of a path or command"},
            "tool": {"type": "string", "description": "name of a tool"},
            "turn": {"type": "integer", "description": "number of a turn"},
        },
        "additionalProperties": False,
    },
    effect="read",
    builtin="recall",
)

_WORDS: Final = ("page", "find", "path", "tool")
_NUMBERS: Final = {"line": 1, "lines": 1, "after": 0, "turn": 0}
"""with the least that each may be"""

Read = Callable[[Content], bytes]
"""Gives the bytes that a page's content holds or names."""


class Wanted(NamedTuple):
    """What the model asks for; what it left out is empty, or -1."""

    page: str = ""
    line: int = -1
    lines: int = -1
    after: int = -1
    find: str = ""
    path: str = ""
    tool: str = ""
    turn: int = -1


class Fault(NamedTuple):
    """``size`` bytes of a page, from ``start``, were given."""

    page: str
    start: int
    size: int


class Recalled(NamedTuple):
    """The tool's answer, and the pages that it gave."""

    text: str
    faults: tuple[Fault, ...] = ()
    wrong: bool = False
    """whether the model has to ask otherwise"""


def recall(
    pages: Mapping[str, Page], arguments: Json, read: Read, *, bytes_max: int = RECALL_BYTES_MAX
) -> Recalled:
    """Return the answer to a call of the recall tool with ``arguments``, from ``pages`` alone.

    ``pages`` are those of one conversation: no other's are ever looked at. ``bytes_max`` bounds what is given of a
    page in one answer.
    """
    wanted = wanted_by(arguments)
    if isinstance(wanted, str):
        return Recalled(wanted, wrong=True)
    if not wanted.page:
        chosen = [
            page
            for page in pages.values()
            if wanted.path.lower() in page.about.lower()
            and wanted.tool.lower() in ("", page.tool.lower())
            and wanted.turn in (-1, page.number)
        ]
        return Recalled(listed(chosen, read, wanted.find, of=len(pages)))
    page = _meant(pages, wanted.page)
    if page is None:
        return Recalled(_no_such_page(pages, wanted.page), wrong=True)
    if page.exempt == "media":
        return Recalled(f"{page.page} is no text and was never moved: look at the result itself.", wrong=True)
    content = read(page.content)
    if wanted.find:
        found = found_in(page, content, wanted.find)
        return Recalled(found.text, (Fault(page.page, found.start, found.size),) if found.size else ())
    return _given(page, content, wanted, bytes_max)


def wanted_by(arguments: Json) -> Wanted | str:
    """Return what ``arguments`` ask for, or what is wrong with them and how to mend it."""
    if arguments is None:
        return Wanted()
    if not isinstance(arguments, dict):
        return 'The arguments must be an object, like {"page": "p-7mq2xw9c4k"}.'
    wanted = Wanted()
    for field, value in arguments.items():
        if value is None or value == "":
            continue
        number = _number(value)
        if field in _WORDS and isinstance(value, str):
            wanted = wanted._replace(**{field: value})
        elif field in _NUMBERS and number is not None and number >= _NUMBERS[field]:
            wanted = wanted._replace(**{field: number})
        else:
            return _wrong(field)
    if wanted.after >= 0 and wanted.line >= 0:
        return "Give `line` or `after`, not both: each says where to begin."
    if not wanted.page and max(wanted.line, wanted.lines, wanted.after) >= 0:
        return "`line`, `lines` and `after` belong to one `page`: give its handle too, or leave them out to list."
    return wanted


def _number(value: Json) -> int | None:
    """Return the whole number that is meant: models write 3, 3.0 and "3"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= 18 and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _wrong(field: str) -> str:
    if field in _WORDS:
        return f"`{field}` must be a string."
    if field in _NUMBERS:
        return f"`{field}` must be a whole number, {_NUMBERS[field]} or more."
    fields = ", ".join(cast("dict[str, Json]", RECALL.schema["properties"]))
    return f"There is no field `{plain(field, 40)}`. There are: {fields}."


def _meant(pages: Mapping[str, Page], handle: str) -> Page | None:
    """Return the page of that handle, also where it came with brackets, in capitals or with words around it."""
    page = pages.get(handle)
    if page is not None:
        return page
    named = [pages[name] for name in handles_in(handle.lower()) if name in pages]
    return named[0] if len(named) == 1 else None


def _no_such_page(pages: Mapping[str, Page], handle: str) -> str:
    given = plain(handle, 60)
    near = [name for name in pages if _alike(name, given)][:3]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"No page of this conversation has the handle {given}.{hint} Call without `page` to list pages."


def _alike(name: str, given: str) -> bool:
    return len(name) == len(given) and sum(a != b for a, b in zip(name, given, strict=True)) <= 2


def _given(page: Page, content: bytes, wanted: Wanted, bytes_max: int) -> Recalled:
    start, end = _stretch(content, wanted)
    if start >= len(content) and content:
        return Recalled(_beyond(page, content), wrong=True)
    cut = _cut(content, start, end, bytes_max)
    given = content[start:cut]
    fault = (Fault(page.page, start, len(given)),)
    if len(given) == len(content):
        return Recalled(_text(content), fault)
    return Recalled(f"{_where(page, content, start, cut, end)}\n{_text(given)}", fault)


def _stretch(content: bytes, wanted: Wanted) -> tuple[int, int]:
    """Return where the wanted bytes begin and end, however many they are."""
    start = 0
    if wanted.after >= 0:
        start = _whole_letter(content, min(wanted.after, len(content)))
    elif wanted.line > 1:
        start = _skipped(content, 0, wanted.line - 1)
    end = len(content) if wanted.lines < 0 else _skipped(content, start, wanted.lines)
    return start, end


def _skipped(content: bytes, start: int, lines: int) -> int:
    """Return where ``lines`` lines from ``start`` end."""
    place = start
    for _ in range(lines):
        place = content.find(b"\n", place) + 1
        if place == 0:
            return len(content)
    return place


def _cut(content: bytes, start: int, end: int, bytes_max: int) -> int:
    """Return where to stop: at ``end``, or after the last whole line that fits, or within one that is too long."""
    if end - start <= bytes_max:
        return end
    last = content.rfind(b"\n", start, start + bytes_max) + 1
    if last > start:
        return last
    cut = _whole_letter(content, start + bytes_max)
    return cut if cut > start else _next_letter(content, start)


def _whole_letter(content: bytes, place: int) -> int:
    """Return ``place``, or the beginning of the UTF-8 letter that it lies within."""
    while 0 < place < len(content) and content[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _next_letter(content: bytes, place: int) -> int:
    place += 1
    while place < len(content) and content[place] & 0xC0 == 0x80:
        place += 1
    return place


def _where(page: Page, content: bytes, start: int, cut: int, end: int) -> str:
    first = content.count(b"\n", 0, start) + 1
    last = first + content.count(b"\n", start, cut) - (content[cut - 1 : cut] == b"\n")
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    on = f'; go on with {{"page": "{page.page}", "after": {cut}}}' if cut < end else ""
    return (
        f"[perdure: {page.page}, lines {first}-{max(first, last)} of {lines}, "
        f"bytes {start}-{cut} of {len(content)}{on}]"
    )


def _beyond(page: Page, content: bytes) -> str:
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    return f"{page.page} ends before that: it has {lines} lines and {len(content)} bytes."


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
