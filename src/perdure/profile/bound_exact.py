"""The cost-optimal course of a small session, found by looking at every one that could be better.

Each page in turn takes each of its ways; a branch is left as soon as its bound says that nothing in it costs less
than the best play so far. What is left is played, so the answer is a cost that the simulator really charges.
"""

from typing import NamedTuple

from perdure.profile.bound import ground
from perdure.profile.bound_below import Bounding, PageFate, course_of, plan, ways
from perdure.profile.policies import AppendOnly, PageCourse, Planned
from perdure.profile.route import Route
from perdure.profile.simulate import Charge, play


class Optimum(NamedTuple):
    """The least that a play of the session costs, and a plan that costs it."""

    cost: int
    courses: tuple[PageCourse, ...]
    plays: int
    """how many were needed to be sure"""
    below: int
    """the bound, for comparison"""


def optimum(route: Route, charge: Charge, plays_max: int) -> Optimum | None:
    """Return the optimum of a session; None where more than ``plays_max`` plays would be needed."""
    return _Search(route, charge, plays_max).found()


class _Search:
    """One search, depth first, the largest pages first."""

    def __init__(self, route: Route, charge: Charge, plays_max: int) -> None:
        self._route: Route = route
        self._charge: Charge = charge
        self._plays_max: int = plays_max
        self._plays: int = 0
        self._bounding: Bounding = Bounding(ground(route, charge))
        self._below: int = self._bounding.bound()
        stays = self._bounding.bare.stays
        self._order: list[int] = sorted(range(len(stays)), key=lambda page: -stays[page].folio.tokens)
        self._free: list[int] = [
            min(ways(stay, out, [0] * len(stay.moments))).cost
            for stay, out in zip(stays, self._bounding.out, strict=True)
        ]
        self._charged: list[int] = [
            min(ways(stay, out, charges)).cost
            for stay, out, charges in zip(stays, self._bounding.out, self._bounding.charges, strict=True)
        ]
        self._best: int = 0
        self._courses: tuple[PageCourse, ...] = ()

    def found(self) -> Optimum | None:
        self._best = play(self._route, AppendOnly(), self._charge).cost
        self._try(plan(self._route, self._charge))
        fixed = self._bounding.bare.fixed
        self._go(0, [], fixed + sum(self._free), fixed + sum(self._charged), {})
        if self._plays > self._plays_max:
            return None
        return Optimum(self._best, self._courses, self._plays, self._below)

    def _go(
        self, depth: int, chosen: list[PageCourse], free: int, charged: int, moves: dict[int, int]
    ) -> None:
        """Look through what follows from the ways chosen so far.

        ``free``: what all costs at least, moves of the pages still to come being free; ``charged``: the same with
        their charges; ``moves``: request -> the first place that moves before it.
        """
        if self._plays > self._plays_max:
            return
        if depth == len(self._order):
            self._try(tuple(chosen))
            return
        bounding, page = self._bounding, self._order[depth]
        stay, out, charges = bounding.bare.stays[page], bounding.out[page], bounding.charges[page]
        for way in sorted(ways(stay, out, [0] * len(charges))):
            more = dict(moves)
            broken = self._broken(more, page, way)
            next_free = free - self._free[page] + way.cost + broken
            charge = charges[way.moment] if way.moment >= 0 else 0
            next_charged = charged - self._charged[page] + way.cost + charge
            if max(next_free, next_charged) < self._best:
                self._go(depth + 1, [*chosen, course_of(stay, way)], next_free, next_charged, more)

    def _broken(self, moves: dict[int, int], page: int, way: PageFate) -> int:
        """Note the move of ``way``, and return what it adds to what is broken."""
        if way.moment < 0:
            return 0
        bare = self._bounding.bare
        moment = bare.stays[page].moments[way.moment]
        before = moves.get(moment.request)
        if before is not None and before <= moment.place:
            return 0
        moves[moment.request] = moment.place
        already = bare.rewritten(moment.request, before) if before is not None else 0
        return bare.rewritten(moment.request, moment.place) - already

    def _try(self, courses: tuple[PageCourse, ...]) -> None:
        self._plays += 1
        cost = play(self._route, Planned(courses), self._charge).cost
        if cost < self._best:
            self._best, self._courses = cost, courses
