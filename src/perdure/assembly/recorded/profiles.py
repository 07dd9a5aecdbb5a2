"""A profile: the figures of many sessions, gathered one by one.

Invariant: a session's trace is let go once its figures are known; of its window over time only the costliest
``CURVES_MAX`` sessions keep theirs, so a profile of ten thousand sessions is small.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from perdure.assembly.pricing import rates_of
from perdure.assembly.recorded.profiling import figures_of, priced
from perdure.profile.comparing import Hindsight, hindsight, summed
from perdure.profile.figures import Breakdown, together
from perdure.profile.terms import recorded_terms
from perdure.profile.trace import Trace

CURVES_MAX: Final = 24
"""Sessions that a page draws; a person compares no more side by side."""


class Profile(msgspec.Struct, frozen=True):
    """What was found over all sessions."""

    total: Breakdown
    sources: tuple[Breakdown, ...]
    """the same, by kind of transcript"""
    sessions: tuple[Breakdown, ...]
    """the costliest first"""
    hindsight: dict[str, tuple[Hindsight, ...]] = {}
    """what each policy would have made of the sessions, by kind of transcript"""


class Gathering:
    """Sessions on their way into a profile."""

    def __init__(self, *, model: str = "", ttl: int = 0, quick: bool = False) -> None:
        """``model`` stands in for every recorded one, ``ttl`` (ns) is how long every cache entry is taken to live.

        ``quick``: no policy is tried.
        """
        self._quick: bool = quick
        self._hindsight: dict[str, tuple[Hindsight, ...]] = {}
        self._model: str = model
        self._ttl: int = ttl
        self._sessions: list[Breakdown] = []
        self._drawn: list[Breakdown] = []

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    @property
    def requests(self) -> int:
        """Of all of them."""
        return sum(each.requests for each in self._sessions)

    def add(self, trace: Trace) -> None:
        """Take in a session."""
        trace = priced(trace, self._model)
        figures = figures_of(trace, self._ttl)
        if not self._quick:
            found = hindsight(trace, recorded_terms(trace, rates_of, self._ttl or None))
            self._hindsight[trace.source] = summed((*self._hindsight.get(trace.source, ()), *found))
        self._drawn.append(figures)
        self._drawn.sort(key=_weight, reverse=True)
        self._sessions.append(replace(figures, curve=()))
        del self._drawn[CURVES_MAX:]

    def profile(self) -> Profile:
        """Return what was gathered."""
        drawn = {(each.name, each.begun): each for each in self._drawn}
        sessions = sorted(self._sessions, key=_weight, reverse=True)
        return Profile(
            together("all", sessions),
            tuple(_by_source(sessions)),
            tuple(drawn.get((each.name, each.begun), each) for each in sessions),
            {source: found for source, found in self._hindsight.items() if found},
        )


def _by_source(sessions: Iterable[Breakdown]) -> Iterable[Breakdown]:
    found: dict[str, list[Breakdown]] = {}
    for each in sessions:
        found.setdefault(each.source, []).append(each)
    return (together(source, each) for source, each in found.items())


def _weight(figures: Breakdown) -> tuple[int, int]:
    return (figures.microusd, figures.input)
