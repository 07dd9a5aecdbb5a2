"""The offline bound: no policy, whatever it knows, can pay less for a session than this. And a plan that comes near.

The proof is in ``perdure.profile.bound``. What is chosen here is how the price of a broken prefix is shared among
the pages that could be moved with it: any shares are valid, and better ones give a higher bound. The first choice
goes from the newest page to the oldest and gives each as much as its move is worth, until the price is used up. Then
pages take turns: each gives up what it doesn't need, and takes what others have left.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from perdure.profile.bound import Bedrock, Stay, ground
from perdure.profile.policies import PageCourse
from perdure.profile.route import Route
from perdure.profile.simulate import Charge

ROUNDS: Final = 2
"""Turns of all pages; more raise the bound by less than a thousandth."""

TURNS_TOKENS_MIN: Final = 300
"""Pages of which less could leave take no turns: they are many, and little depends on each."""

WARY: Final = 2.0
"""How much more than the least a plan takes a break to cost: pages that stay are written again with it."""


class PageFate(NamedTuple):
    """One course that a page can take, and what that costs at least."""

    cost: int
    preview: bool
    moment: int
    """at which it becomes a stub; -1 for never"""


def bound(route: Route, charge: Charge) -> int:
    """Return what the session costs at least, under any policy."""
    return Bounding(ground(route, charge)).bound()


def plan(route: Route, charge: Charge) -> tuple[PageCourse, ...]:
    """Return a good plan for a session whose future is known: each page as if it paid for its break alone."""
    bare = ground(route, charge)
    found: list[PageCourse] = []
    for stay in bare.stays:
        charges = [int(WARY * bare.rewritten(moment.request, moment.place)) for moment in stay.moments]
        best = min(ways(stay, out_of(stay), charges))
        found.append(course_of(stay, best))
    return tuple(found)


def course_of(stay: Stay, way: PageFate) -> PageCourse:
    """Return ``way`` as a part of a plan."""
    leaves = stay.moments[way.moment].request if way.moment >= 0 else -1
    return PageCourse(stay.folio, way.preview, leaves)


class Bounding:
    """The charges, and what each page costs at least under them."""

    def __init__(self, bare: Bedrock) -> None:
        """Begin with no charges: every move is free."""
        self.bare: Bedrock = bare
        self.charges: list[list[int]] = [[0] * len(stay.moments) for stay in bare.stays]
        self.out: list[list[int]] = [out_of(stay) for stay in bare.stays]
        self._behind: dict[int, list[tuple[int, int, int]]] = {}
        """request -> (place, page, moment) of all that could move before it, the newest first"""
        self._left: dict[int, list[int]] = {}
        """and what is left of the price of a break there, over what is charged from there to the end"""
        self._where: dict[tuple[int, int], int] = {}
        """(page, moment) -> its index in those lists"""

    def bound(self) -> int:
        """Return the highest bound that was found."""
        self._gather()
        self._share()
        for _ in range(ROUNDS):
            for page, stay in enumerate(self.bare.stays):
                if stay.folio.tokens - stay.folio.stub >= TURNS_TOKENS_MIN:
                    self._raise(page, stay)
        return self.total()

    def total(self) -> int:
        """Return the bound as the charges are now."""
        return self.bare.fixed + sum(
            min(ways(stay, self.out[page], self.charges[page])).cost
            for page, stay in enumerate(self.bare.stays)
        )

    def _gather(self) -> None:
        for page, stay in enumerate(self.bare.stays):
            for moment, (request, place, _, _, _) in enumerate(stay.moments):
                if moment and place < self.bare.reach[request]:
                    self._behind.setdefault(request, []).append((place, page, moment))
        for request, pages in self._behind.items():
            pages.sort(reverse=True)
            self._left[request] = [self.bare.rewritten(request, place) for place, _, _ in pages]
            self._where.update(((page, moment), index) for index, (_, page, moment) in enumerate(pages))

    def _share(self) -> None:
        worth = [_worth(stay, out) for stay, out in zip(self.bare.stays, self.out, strict=True)]
        for request, pages in self._behind.items():
            used, left = 0, self._left[request]
            for index, (_, page, moment) in enumerate(pages):
                share = min(max(worth[page][moment], 0), left[index] - used)
                self.charges[page][moment] = share
                used += share
                left[index] -= used

    def _raise(self, page: int, stay: Stay) -> None:
        """Let the page cost as much as what is left of all prices allows, and no charge be more than that needs."""
        charges, out = self.charges[page], self.out[page]
        free = [_DEAR] * len(charges)
        most = _DEAR
        for way in ways(stay, out, [0] * len(charges)):
            if way.moment < 0:
                most = min(most, way.cost)
            else:
                free[way.moment] = min(free[way.moment], way.cost)
        for moment in range(1, len(charges)):
            index = self._where.get((page, moment))
            left = 0 if index is None else min(self._left[stay.moments[moment].request][index:])
            most = min(most, free[moment] + charges[moment] + left)
        for moment in range(1, len(charges)):
            index = self._where.get((page, moment))
            change = max(0, most - free[moment]) - charges[moment]
            if index is not None and change:
                charges[moment] += change
                left_over = self._left[stay.moments[moment].request]
                left_over[index:] = [each - change for each in left_over[index:]]


_DEAR: Final = 1 << 80
"""More than anything costs."""


def out_of(stay: Stay) -> list[int]:
    """Return what it costs to be out from each moment on."""
    stub, out = stay.folio.stub, [0] * (len(stay.moments) + 1)
    held = [0] * (len(stay.moments) + 1)
    for index in range(len(stay.moments) - 1, -1, -1):
        _, _, price, fault, after = stay.moments[index]
        held[index] = held[index + 1] + stub * price
        if fault < 0:
            out[index] = stub * price + out[index + 1]
        else:
            out[index] = held[index] - held[after] + fault + out[after]
    return out


def ways(stay: Stay, out: Sequence[int], charges: Sequence[int]) -> Iterator[PageFate]:
    """Yield every course of the page; ``out`` and ``charges`` by moment."""
    tokens, preview, stub = stay.folio.tokens, stay.folio.preview, stay.folio.stub
    whole, small, shown = 0, 0, preview > 0
    for moment, (_, _, price, fault, _) in enumerate(stay.moments):
        if moment:
            moved = charges[moment] + out[moment]
            yield PageFate(whole + moved, preview=False, moment=moment)
            if shown:
                yield PageFate(small + moved, preview=True, moment=moment)
        whole += tokens * price
        if shown and fault >= 0:
            yield PageFate(small + preview * price + out[moment] - stub * price, preview=True, moment=-1)
            shown = False
        small += preview * price
    yield PageFate(whole, preview=False, moment=-1)
    if shown:
        yield PageFate(small, preview=True, moment=-1)


def _worth(stay: Stay, out: list[int]) -> list[int]:
    """Return what a move at each moment would save over never moving."""
    tokens, kept, worth = stay.folio.tokens, 0, [0] * len(stay.moments)
    for index in range(len(stay.moments) - 1, -1, -1):
        kept += tokens * stay.moments[index].price
        worth[index] = kept - out[index]
    return worth
