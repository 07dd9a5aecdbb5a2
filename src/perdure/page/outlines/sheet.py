"""A text as outlines read it: numbered lines, bounded in number and in length.

Invariants:
- Numbers are those of the text's own lines, also behind a stretch that isn't looked at.
- A line is cut before any pattern sees it, so patterns cost what they cost on a short line.
"""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from perdure.values.limits import PREVIEW_SCAN_CHARACTERS_MAX

LINE_CHARACTERS: Final = 400
"""Looked at of one line: a definition or a message of an error shows itself before."""

_LINES_MAX: Final = 20_000
"""Looked at from either end; real lines have fifty characters, so this cuts only what is made of empty ones."""

_NUMBERED: Final = re.compile(r"[ ]{0,8}([0-9]{1,9})(?:\t|\u2192|: |\| |  )")
"""Tools that read files put numbers before lines; they are no part of what the line says."""

_NUMBERED_SHARE: Final = 0.9
"""Of the first lines; a table of numbers has them before every line too, but they don't count up by one."""


class Numbered(NamedTuple):
    """One line of a text, as far as it is looked at."""

    number: int
    text: str


class Lined(NamedTuple):
    """A text, and the lines of it that are looked at."""

    text: str
    about: str
    lines: tuple[Numbered, ...]
    total: int
    """lines of the whole text"""


def sheet_of(text: str, about: str) -> Lined:
    """Return ``text`` in lines: all of them, or those at both ends where there is too much of it."""
    total = text.count("\n") + (not text.endswith("\n"))
    half = PREVIEW_SCAN_CHARACTERS_MAX // 2
    if len(text) <= 2 * half and total <= 2 * _LINES_MAX:
        lines = _numbered(_split(text), 1)
    else:
        head = text[: text.rfind("\n", 0, half) + 1 or half]
        begin = text.find("\n", max(len(head), len(text) - half) - 1) + 1 or len(text)
        tail = _split(text[begin:])[-_LINES_MAX:]
        lines = _numbered(_split(head)[:_LINES_MAX], 1) + _numbered(tail, total - len(tail) + 1)
    return Lined(text, about, tuple(_without_numbers(lines)), total)


def _split(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _numbered(lines: list[str], first: int) -> list[Numbered]:
    return [Numbered(first + place, _shown(line)) for place, line in enumerate(lines)]


def _shown(line: str) -> str:
    """Return what a terminal would show of ``line``: what stands behind the last carriage return."""
    line = line.removesuffix("\r")
    if "\r" in line[:LINE_CHARACTERS]:
        line = line[line.rfind("\r") + 1 :]
    return line[:LINE_CHARACTERS]


def _without_numbers(lines: list[Numbered]) -> list[Numbered]:
    """Return the lines without the numbers that a reading tool put before them."""
    looked = [line.text for line in lines[:50] if line.text]
    found = [int(match[1]) for line in looked if (match := _NUMBERED.match(line)) is not None]
    steps = sum(after == before + 1 for before, after in pairwise(found))
    if (
        len(found) < 3
        or len(found) < _NUMBERED_SHARE * len(looked)
        or steps < _NUMBERED_SHARE * (len(found) - 1)
    ):
        return lines
    return [line._replace(text=_NUMBERED.sub("", line.text, count=1)) for line in lines]
