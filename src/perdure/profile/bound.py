"""What any policy must pay for a session at least, page by page: the ground that bounds stand on.

What a policy may do is what ``perdure.profile.simulate`` lets it do: a page comes whole or as its preview, and later
becomes its stub, or anything between. Everything else of the session is given, faults are charged as there, and
whoever moves pages may set marks of his own wherever he likes.

Proof. Let H(i) be the number of segments in front of request i that a cache would hold which keeps every prefix it
was ever sent for its time. In no play does request i read further than H(i): what it reads was sent before, the same
blocks were sent in the play that moves nothing, at the same times, and what befell the cache befell it at the same
segment (a cache at marks holds no more than one that keeps everything). A block of t tokens therefore costs at least
t*r in front of H(i) and t*w behind it, r and w being the prices of reading and of entering the cache. So does each
page in the state it is in, and a call more for a fault costs at least r for all that can't be moved. If a page at place
z < H(i) moves before request i, it stands there in a shape never sent before, so the request reads no further than
z: the blocks from z to H(i) cost w - r more for each of their tokens, at least B(i, z), their tokens in their
smallest shapes. This is paid once for all pages that move before request i. Let b(p, i) >= 0 be any charges such that
for each i and z the charges of all pages behind z sum up to at most B(i, z). The pages that move together are behind
the first of them, so their charges sum up to at most what is paid. Hence the cost of any play is at least: what can't
be moved, plus for each page by itself the least over its possible courses of holding, faults and the charges b. QED.

``perdure.profile.bound_below`` chooses the charges.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.page.cache import Block, PromptCache
from perdure.page.caching import CacheRule
from perdure.profile.route import Folio, Leg, Route
from perdure.profile.simulate import RECALL_TOKENS, Charge

_KEEPS_ALL: Final = CacheRule("", "", "longest", 0, 0, 0, 1, 0, 0, 0, 0, 0, "https://", "")


class Sighting(NamedTuple):
    """A page in one request."""

    request: int
    place: int
    """of its segment, from the beginning of the stretch"""
    price: int
    """of a token of it, at best"""
    fault: int
    """what a fault costs here and later, without its stub; -1 where the reply doesn't need it"""
    after: int
    """the moment at which it can be missed again"""


class Stay(NamedTuple):
    """A page and all its requests."""

    folio: Folio
    moments: tuple[Sighting, ...]


class Bedrock(NamedTuple):
    """A session as far as bounds are concerned."""

    fixed: int
    """what all that can't be moved costs at least"""
    stays: tuple[Stay, ...]
    reach: tuple[int, ...]
    """H(i), in segments"""
    dearer: tuple[int, ...]
    """w - r"""
    smallest: tuple[Sequence[int], ...]
    """for each request, the tokens in front of each segment of its stretch, every page in its smallest shape"""

    def rewritten(self, request: int, place: int) -> int:
        """Return B: what it costs at least that a page at ``place`` moves before ``request``."""
        reach = self.reach[request]
        if place >= reach:
            return 0
        tokens = self.smallest[request]
        return self.dearer[request] * (tokens[reach] - tokens[place])


def ground(route: Route, charge: Charge) -> Bedrock:
    """Return the bare ground of ``route``: prices, pages, and what moves cost at least."""
    return _Grounding(route, charge).ground()


class _Grounding:
    """A ground in the making."""

    def __init__(self, route: Route, charge: Charge) -> None:
        self._route: Route = route
        self._charge: Charge = charge
        self._reach: tuple[int, ...] = _reaches(route)
        self._stretches: list[tuple[int, int, int, int]] = []
        """(first leg, leg after the last, first segment, last segment)"""
        for number, leg in enumerate(route.legs):
            if number == 0 or leg.broken:
                self._stretches.append((number, number + 1, leg.first, leg.last))
            else:
                begin, _, first, _ = self._stretches[-1]
                self._stretches[-1] = (begin, number + 1, first, leg.last)
        self._least: list[int] = []
        """for each request, the tokens that can't leave"""
        self._smallest: list[Sequence[int]] = []
        self._indices: dict[int, dict[int, int]] = {}
        """first segment of a stretch -> name -> segment"""

    def ground(self) -> Bedrock:
        route = self._route
        for begin, end, first, last in self._stretches:
            sizes = [0]
            for place in range(first, last):
                folio = route.folios.get(place)
                sizes.append(
                    sizes[-1]
                    + (route.blocks[place].tokens if folio is None or not folio.movable else folio.stub)
                )
            for number in range(begin, end):
                self._smallest.append(sizes)
                self._least.append(sizes[route.legs[number].last - first])
        fixed = sum(self._fixed(number, leg) for number, leg in enumerate(route.legs))
        return Bedrock(
            fixed,
            tuple(self._stays()),
            self._reach,
            tuple(
                max(0, self._fresh(number) - leg.terms.rates.read) for number, leg in enumerate(route.legs)
            ),
            tuple(self._smallest),
        )

    def _fresh(self, number: int) -> int:
        """Return the least price of a token that isn't read: plain only where nothing may be long enough to keep."""
        terms = self._route.legs[number].terms
        if terms.rule.kind == "none" or self._least[number] < terms.rule.minimum:
            return min(terms.rates.input, terms.write)
        return terms.write if terms.rule.kind != "longest" else min(terms.rates.input, terms.write)

    def _price(self, number: int, place: int) -> int:
        leg = self._route.legs[number]
        if place < self._reach[number]:
            return leg.terms.rates.read
        if place >= leg.last - leg.first - leg.tail:
            return min(leg.terms.rates.input, self._fresh(number))
        return self._fresh(number)

    def _fixed(self, number: int, leg: Leg) -> int:
        """Return what the blocks of a request that can't be moved cost at least."""
        route = self._route
        tokens = [0, 0, 0]
        reach, end = leg.first + self._reach[number], leg.last - leg.tail
        for place in range(leg.first, leg.last):
            folio = route.folios.get(place)
            if folio is None or not folio.movable:
                tokens[0 if place < reach else 1 if place < end else 2] += route.blocks[place].tokens
        return (
            tokens[0] * leg.terms.rates.read
            + tokens[1] * self._fresh(number)
            + tokens[2] * min(leg.terms.rates.input, self._fresh(number))
        )

    def _stays(self) -> list[Stay]:
        route = self._route
        places: dict[int, list[tuple[int, int]]] = {}
        folios: dict[int, Folio] = {}
        for begin, end, first, last in self._stretches:
            for segment in range(first, last):
                folio = route.folios.get(segment)
                if folio is None or not folio.movable:
                    continue
                folios.setdefault(folio.page, folio)
                seen = places.setdefault(folio.page, [])
                seen += [
                    (number, segment - first)
                    for number in range(begin, end)
                    if segment < route.legs[number].last
                ]
        needed: dict[int, set[int]] = {}
        for number, leg in enumerate(route.legs):
            for page, strict in leg.needs:
                if self._charge == "loose" or (self._charge == "strict" and strict):
                    needed.setdefault(page, set()).add(number)
        return [
            Stay(folio, self._moments(folio, places[page], needed.get(page, set())))
            for page, folio in folios.items()
        ]

    def _moments(self, folio: Folio, seen: list[tuple[int, int]], needed: set[int]) -> tuple[Sighting, ...]:
        found: list[Sighting] = []
        for index, (number, place) in enumerate(seen):
            fault, after = -1, 0
            if number in needed:
                fault, after = self._fault(folio, seen, index)
            found.append(Sighting(number, place, self._price(number, place), fault, after))
        return tuple(found)

    def _fault(self, folio: Folio, seen: list[tuple[int, int]], index: int) -> tuple[int, int]:
        """Return what a fault costs at least, and the moment from which the page can be missed again."""
        route, number = self._route, seen[index][0]
        leg = route.legs[number]
        rates, pair = leg.terms.rates, RECALL_TOKENS + folio.recall
        cost = self._least[number] * min(rates.read, self._fresh(number))
        cost += pair * min(rates.input, self._fresh(number)) + RECALL_TOKENS * rates.output
        name = route.names[leg.last] if leg.last < len(route.names) else -1
        for later in range(index + 1, len(seen)):
            follower = route.legs[seen[later][0]]
            where = self._where(name, seen[later][0]) if name >= 0 else -1
            if where < 0:
                return cost, later
            if where < follower.last:
                cost += pair * (
                    follower.terms.rates.read if self._reach[seen[later][0]] else self._fresh(seen[later][0])
                )
        return cost, len(seen)

    def _where(self, name: int, number: int) -> int:
        """Return the segment of that name in the stretch of request ``number``; -1 if there is none."""
        for begin, end, first, last in self._stretches:
            if begin <= number < end:
                return self._index(first, last).get(name, -1)
        return -1

    def _index(self, first: int, last: int) -> dict[int, int]:
        found = self._indices.get(first)
        if found is None:
            names = self._route.names
            found = self._indices[first] = {names[place]: place for place in range(first, last)}
        return found


def _reaches(route: Route) -> tuple[int, ...]:
    """Return for each request how many segments in front a cache would hold that loses nothing before its time."""
    caches: dict[str, PromptCache] = {}
    lives: dict[str, int] = {}
    for leg in route.legs:
        lives[leg.terms.model] = max(leg.terms.ttl, lives.get(leg.terms.model, 0))
    found: list[int] = []
    for leg in route.legs:
        if leg.terms.rule.kind == "none":
            found.append(0)
            continue
        blocks: Sequence[Block] = route.blocks[leg.first : leg.last]
        cache = caches.setdefault(leg.terms.model, PromptCache(_KEEPS_ALL, lives[leg.terms.model]))
        if leg.cached >= 0:
            cache.lose(blocks, leg.cached)
            cache.keep(blocks, leg.cached, leg.at)
        read, place, tokens = cache.ask(blocks, (), leg.at).read, 0, 0
        while place < len(blocks) and tokens + blocks[place].tokens <= read:
            tokens += blocks[place].tokens
            place += 1
        found.append(place)
    return tuple(found)
