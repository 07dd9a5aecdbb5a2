"""Which earlier result a reply quotes: lines and long words that stand in one result alone.

Invariants:
- A line or word counts only while it stands in a single result and nowhere else in the window. Whoever quotes it
  makes it stand in two places, so each is counted once.
- The work is linear in the text. What is kept is a number for each line, bounded for each window, oldest out first.
"""

import re
from typing import Final

LINE_CHARACTERS_MIN: Final = 20
"""Shorter lines are brackets, imports of one word and the like: they stand everywhere."""

LINES_KEPT_MAX: Final = 400_000
"""A window of a million tokens holds about a hundred thousand lines; the rest is for words."""

COMMON: Final = -1
"""Stands in more than one place, or in none that could leave."""

_NUMBERED: Final = re.compile(r"^\s*\d+(?:→|\t|[:|-]\s?)")
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:@+-]{22,}[A-Za-z0-9_]")
"""Paths, digests, identifiers, addresses: long enough not to be said by chance."""


class Quotes:
    """Where the lines and long words of the window stand."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def stands(self, text: str, place: int) -> None:
        """Take in that ``text`` is in the window, as the result at ``place`` or as something that never leaves."""
        places = self._places
        for mark in _marks(text):
            known = places.get(mark)
            if known is None:
                places[mark] = place
            elif known != place:
                places[mark] = COMMON
        while len(places) > LINES_KEPT_MAX:
            del places[next(iter(places))]

    def quoted(self, text: str) -> set[int]:
        """Return the places of the results that alone hold a line or long word of ``text``."""
        places = self._places
        found = {places.get(mark, COMMON) for mark in _marks(text)}
        found.discard(COMMON)
        return found

    def moved(self, places: dict[int, int]) -> None:
        """Take in that a new stretch began: results stand at new places, or are gone."""
        kept: dict[int, int] = {}
        if places:
            for mark, place in self._places.items():
                if place == COMMON:
                    kept[mark] = COMMON
                elif place in places:
                    kept[mark] = places[place]
        self._places = kept


def _marks(text: str) -> set[int]:
    marks: set[int] = set()
    for line in text.splitlines():
        bare = _NUMBERED.sub("", line, count=1).strip()
        if len(bare) >= LINE_CHARACTERS_MIN:
            marks.add(hash(bare))
    marks.update(hash(word[0]) for word in _WORD.finditer(text))
    return marks
