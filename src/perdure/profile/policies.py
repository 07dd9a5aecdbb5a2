"""Policies of others, to compare with: what stands in the place of which page, request by request.

Each is as its authors describe it, in the words of this simulator: a page that leaves is a stub, and only results
that may be moved are counted.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from perdure.profile.route import Folio, Route
from perdure.profile.simulate import Aftermath, Prospect, Shift

PICHAY_SIZE_MIN: Final = 500
"""Characters: the paper's least size of a result that is worth evicting, in bytes."""


class PageCourse(NamedTuple):
    """What becomes of a page in a plan."""

    folio: Folio
    preview: bool
    leaves: int
    """the request before which it becomes a stub; -1 for never"""


class AppendOnly:
    """Nothing is ever moved."""

    def shifts(self, prospect: Prospect) -> Iterable[Shift]:
        """Return nothing."""
        del prospect
        return ()

    def told(self, aftermath: Aftermath) -> None:
        """Learn nothing."""
        del aftermath


class AgeFifo(AppendOnly):
    """Pichay's: a result leaves when it is ``age`` requests old, whatever the cache holds (arXiv 2603.09023)."""

    def __init__(self, age: int) -> None:
        self.age: int = age

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield what has become too old."""
        for folio in _standing(prospect):
            if prospect.number - folio.came >= self.age and folio.what.size >= PICHAY_SIZE_MIN:
                yield Shift(folio.page, folio.stub)


class KeepLast(AppendOnly):
    """Observation masking: only the newest ``count`` results stay (arXiv 2508.21433)."""

    def __init__(self, count: int) -> None:
        self.count: int = count

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield all but the newest."""
        fresh = {folio.page for folio in prospect.new}
        newest = set(list(prospect.folios)[-self.count :])
        for folio in _standing(prospect):
            if folio.page not in newest and folio.page not in fresh:
                yield Shift(folio.page, folio.stub)


class Clearing(KeepLast):
    """Anthropic's ``clear_tool_uses_20250919`` with its defaults: above 100,000 tokens all but three go.

    It is applied to the client's whole history with each request, so once begun it goes on.
    """

    def __init__(self, trigger: int = 100_000, keep: int = 3) -> None:
        super().__init__(keep)
        self.trigger: int = trigger

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield all but the newest, once the client's request is large enough."""
        if prospect.leg.tokens > self.trigger:
            yield from super().shifts(prospect)


class Lru(AppendOnly):
    """A cache of results of ``capacity`` tokens: the least recently needed leaves when it is over."""

    def __init__(self, route: Route, capacity: int) -> None:
        self.capacity: int = capacity
        self._route: Route = route
        self._used: dict[int, int] = {}

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield the least recently needed until the rest fits."""
        for folio in prospect.new:
            self._used[folio.page] = prospect.number
        whole = sorted(_standing(prospect), key=lambda folio: self._used.get(folio.page, folio.came))
        over = sum(folio.tokens for folio in whole) - self.capacity
        fresh = {folio.page for folio in prospect.new}
        for folio in whole:
            if over <= 0:
                return
            if folio.page not in fresh:
                over -= folio.tokens
                yield Shift(folio.page, folio.stub)

    def told(self, aftermath: Aftermath) -> None:
        """Count what the reply needed as used."""
        for page, _ in self._route.legs[aftermath.number].needs:
            self._used[page] = aftermath.number


class Belady(AppendOnly):
    """Knows the future: a result leaves as soon as no later reply needs it. Fewest tokens, whatever that costs."""

    def __init__(self, route: Route, *, strict: bool) -> None:
        self._last: dict[int, int] = {}
        for number, leg in enumerate(route.legs):
            for page, strictly in leg.needs:
                if strictly or not strict:
                    self._last[page] = number

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield what no reply needs any more."""
        for folio in _standing(prospect):
            if prospect.number > max(self._last.get(folio.page, -1), folio.came):
                yield Shift(folio.page, folio.stub)


class Planned(AppendOnly):
    """Does what a plan says: whether each page comes as its preview, and before which request it leaves."""

    def __init__(self, courses: Iterable[PageCourse]) -> None:
        self._at: dict[int, list[Shift]] = {}
        for folio, preview, leaves in courses:
            if preview:
                self._at.setdefault(folio.came, []).append(Shift(folio.page, folio.preview))
            if leaves >= 0:
                self._at.setdefault(leaves, []).append(Shift(folio.page, folio.stub))

    def shifts(self, prospect: Prospect) -> Iterable[Shift]:
        """Return what the plan says of this request."""
        return self._at.get(prospect.number, ())


class OneRule(AppendOnly):
    """One of our moves alone, to see what each is worth: 'admit', 'used' or 'cold', from ``tokens`` on."""

    def __init__(self, rule: str, tokens: int) -> None:
        self.rule: str = rule
        self.tokens: int = tokens

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        """Yield what the rule moves now."""
        fresh = {folio.page for folio in prospect.new}
        if self.rule == "admit":
            for folio in prospect.new:
                if folio.movable and folio.preview and folio.tokens > self.tokens:
                    yield Shift(folio.page, folio.preview)
            return
        for folio in _standing(prospect):
            if folio.page in fresh or folio.tokens < self.tokens:
                continue
            used = self.rule == "used" and folio.came == prospect.number - 1
            if used or (self.rule == "cold" and prospect.cold):
                yield Shift(folio.page, folio.stub)


def _standing(prospect: Prospect) -> Iterator[Folio]:
    """Yield the pages that may move and are larger than their stubs, oldest first."""
    shown = prospect.shown
    for folio in prospect.folios.values():
        if folio.movable and shown.get(folio.page, folio.tokens) > folio.stub:
            yield folio
