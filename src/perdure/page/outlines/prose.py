"""Prose: its headings with the numbers of their lines."""

import re
from typing import Final

from perdure.page.outlines.sheet import Lined

_HEADING: Final = re.compile(r"#{1,6} +\S|<h[1-6][ >]|\.\. [a-z-]+::")
_RULE: Final = re.compile(r"(?:={3,}|-{3,}|~{3,})$")
_PROSE: Final = re.compile(r"\.(?:md|mdx|markdown|rst|adoc|txt|html?)(?![\w.])", re.IGNORECASE)
"""Elsewhere a line that begins with # is a comment of somebody's."""

_SHOWN: Final = 100


def headings_outline(sheet: Lined, room: int) -> list[str]:
    """Return the headings of a text that its name says to have some, in at most ``room`` characters, the deeper ones left out first."""
    if _PROSE.search(sheet.about) is None:
        return []
    found: list[tuple[int, str]] = []
    fenced = False
    for place, line in enumerate(sheet.lines):
        text = line.text.rstrip()
        if text.lstrip().startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        below = sheet.lines[place + 1].text.rstrip() if place + 1 < len(sheet.lines) else ""
        underlined = len(below) >= len(text) > 2 and _RULE.match(below) is not None and text[0].isalnum()
        if underlined or _HEADING.match(text) is not None:
            found.append((_level(text), f"{line.number}: {text[:_SHOWN]}"))
    for level in range(6, 0, -1):
        chosen = [text for depth, text in found if depth <= level]
        if sum(len(text) + 1 for text in chosen) <= room:
            return chosen
    return []


def _level(text: str) -> int:
    marks = len(text) - len(text.lstrip("#"))
    return min(6, marks) if marks else 1
