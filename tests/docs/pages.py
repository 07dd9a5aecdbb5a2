"""A document as its blocks: what it tells people to type, write and expect."""

import re
from typing import NamedTuple

from tests.tidy.tree import ROOT

FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its language, the file that it names after it, its text and its heading."""

    language: str
    file: str
    text: str
    heading: str


def blocks_of(name: str) -> list[Block]:
    """Return the fenced blocks of the document ``name``, in order."""
    text = (ROOT / name).read_text(encoding="utf-8")
    outside = FENCE.sub(lambda found: " " * len(found[0]), text)
    headings = [(found.start(), found[1]) for found in HEADING.finditer(outside)]

    def heading_at(place: int) -> str:
        return next((words for start, words in reversed(headings) if start < place), "")

    return [
        Block(found[1], found[2] or "", found[3], heading_at(found.start())) for found in FENCE.finditer(text)
    ]
