"""A recorded session played again with pages moved: what each request then reads, writes and pays.

Invariants:
- A session's requests, replies and needs stay as they were recorded; only what stands in a page's place differs.
- A page only ever gets smaller, and not below its preview in the request that it comes with: the model sees
  what it asked for. Errors and media never move.
- A fault is charged once for each page for as long as its recalled text stands in the window, and recalled text
  is never moved: one more call over the whole prefix, its output, and the page's text behind what the client sent,
  until the client itself rewrites the conversation. Ten pages needed by one reply are ten calls more.

A strict need was met in the recorded session by calling the tool again, so its content came back by itself. It is
charged all the same, as if the model had recalled the page and then called as recorded: more than it can cost.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from perdure.page.cache import Block, Mark, PromptCache, Served
from perdure.profile.route import Folio, Leg, Route, Terms, marks
from perdure.values.errors import require

Charge = Literal["strict", "loose", "none"]

RECALL_TOKENS: Final = 60
"""Of a call of the recall tool, as output and again as part of the prompt: a name, a handle and a range."""


class Shift(NamedTuple):
    """From now on ``tokens`` stand in the place of ``page``."""

    page: int
    tokens: int


class Prospect(NamedTuple):
    """What a policy sees before a request goes on."""

    number: int
    """of the request, from 0"""
    leg: Leg
    cold: bool
    """whether the cache's time has run out since the request before"""
    window: int
    """tokens that would be sent if nothing more were moved"""
    new: Sequence[Folio]
    """pages that are in it for the first time"""
    folios: Mapping[int, Folio]
    """all pages that are in it, in order"""
    shown: Mapping[int, int]
    """tokens in the place of those that were ever moved"""
    given: frozenset[int]
    """pages whose recalled text is in it"""


class Aftermath(NamedTuple):
    """What became of a request."""

    number: int
    served: tuple[Served, ...]
    """one for each call that it took"""
    cost: int
    faults: tuple[int, ...]
    """pages that were asked for"""
    again: tuple[int, ...]
    """moved pages that its reply needed, by any definition, each for the first time"""


class PagePolicy(Protocol):
    """Decides what stands in pages' places."""

    def shifts(self, prospect: Prospect) -> Iterable[Shift]:
        """Return what moves before this request."""
        ...

    def told(self, aftermath: Aftermath) -> None:
        """Learn what became of it."""
        ...


class Playback(NamedTuple):
    """A session as a policy would have had it. Costs are in tokens times millionths of a dollar per million."""

    costs: tuple[int, ...]
    """for each request: input of all its calls, and the output of recalls"""
    windows: tuple[int, ...]
    """tokens of each request's last call"""
    served: tuple[Served, ...]
    """of each request's first call"""
    moved: int
    """pages that were ever moved, and of those:"""
    faulted: int

    @property
    def cost(self) -> int:
        """What all requests cost."""
        return sum(self.costs)


def play(
    route: Route, policy: PagePolicy, charge: Charge, *, spare: bool = True, forgets: bool = False
) -> Playback:
    """Return what the session costs under ``policy``.

    ``spare``: whoever moves pages sets one mark of his own, which the client left free: at the first block that
    moved, or behind what was recalled. Without it nothing is kept in front of the next move but what is far back.
    ``forgets``: recalled text is gone with the next request, as with a proxy that doesn't split its hidden calls.
    """
    return _Player(route, policy, charge, spare=spare, forgets=forgets).play()


class _Player:
    """One session being played."""

    def __init__(
        self, route: Route, policy: PagePolicy, charge: Charge, *, spare: bool, forgets: bool
    ) -> None:
        self._route: Route = route
        self._policy: PagePolicy = policy
        self._charge: Charge = charge
        self._caches: dict[str, PromptCache] = {}
        self._shown: dict[int, int] = {}
        self._shrunk: dict[tuple[int, int], Block] = {}
        self._blocks: list[Block] = []
        """what stands in the window, and until which segment, and how many tokens"""
        self._end: int = 0
        self._window: int = 0
        self._spare: bool = spare
        self._forgets: bool = forgets
        self._first: int = -1
        """the place of the first block that moved before the present request"""
        self._starts: list[int] = []
        """of each segment of the stretch, where it stands in ``_blocks``"""
        self._folios: dict[int, Folio] = {}
        self._index: dict[int, int] = {}
        """page -> its place in ``_blocks``"""
        self._recalled: dict[int, list[tuple[int, tuple[Block, Block]]]] = {}
        """name of a segment -> the pages that were recalled before it, and how that stands there"""
        self._given: frozenset[int] = frozenset()
        self._moved: set[int] = set()
        self._faulted: set[int] = set()
        self._missed: set[int] = set()

    def play(self) -> Playback:
        costs: list[int] = []
        windows: list[int] = []
        firsts: list[Served] = []
        before = 0
        for number, leg in enumerate(self._route.legs):
            self._enter(number, leg)
            self._befall(leg)
            new = {self._route.names[place]: self._route.folios[place] for place in leg.new}
            cold = number == 0 or leg.at - before > leg.terms.ttl
            prospect = Prospect(
                number, leg, cold, self._window, tuple(new.values()), self._folios, self._shown, self._given
            )
            self._first = -1
            for shift in tuple(self._policy.shifts(prospect)):
                self._move(shift, new)
            aftermath, window = self._ask(number, leg)
            self._policy.told(aftermath)
            costs.append(aftermath.cost)
            windows.append(window)
            firsts.append(aftermath.served[0])
            before = leg.at
        return Playback(tuple(costs), tuple(windows), tuple(firsts), len(self._moved), len(self._faulted))

    def _enter(self, number: int, leg: Leg) -> None:
        """Put the request's segments behind what stands."""
        if number == 0 or leg.broken:
            self._blocks, self._window, self._end = [], 0, leg.first
            self._folios, self._index, self._given, self._starts = {}, {}, frozenset(), []
        route, blocks = self._route, self._blocks
        for place in range(self._end, leg.last):
            name = route.names[place]
            for page, pair in self._recalled.get(name, ()):
                if page not in self._folios:  # another block of the same name, after a compaction
                    continue
                blocks.extend(pair)
                self._window += pair[0].tokens + pair[1].tokens
                self._given |= {page}
            self._starts.append(len(blocks))
            block = route.blocks[place]
            folio = route.folios.get(place)
            if folio is not None:
                self._folios[folio.page] = folio
                self._index[folio.page] = len(blocks)
                shown = self._shown.get(folio.page)
                block = block if shown is None else self._small(folio.page, shown)
            blocks.append(block)
            self._window += block.tokens
        self._end = leg.last

    def _befall(self, leg: Leg) -> None:
        """Let happen to the cache what was seen to have happened to it, before anything moves."""
        if leg.cached >= 0:
            places = self._starts[leg.cached] if leg.cached < len(self._starts) else len(self._blocks)
            cache = self._cache(leg.terms)
            cache.lose(self._blocks, places)
            cache.keep(self._blocks, places, leg.at)

    def _cache(self, terms: Terms) -> PromptCache:
        cache = self._caches.get(terms.model)
        if cache is None:
            cache = self._caches[terms.model] = PromptCache(terms.rule, terms.ttl if not terms.long else 0)
        return cache

    def _move(self, shift: Shift, new: Mapping[int, Folio]) -> None:
        page, tokens = shift
        folio = self._folios[page]
        place = self._index[page]
        least = folio.preview or folio.tokens if page in new else folio.stub
        require(folio.movable, "a page that may not move was moved")
        require(least <= tokens < self._blocks[place].tokens, "a page gets smaller, down to what is allowed")
        self._first = place if self._first < 0 else min(place, self._first)
        self._window += tokens - self._blocks[place].tokens
        self._blocks[place] = self._small(page, tokens)
        self._shown[page] = tokens
        self._moved.add(page)

    def _small(self, page: int, tokens: int) -> Block:
        block = self._shrunk.get((page, tokens))
        if block is None:
            block = self._shrunk[page, tokens] = Block(f"{page} in {tokens}", tokens)
        return block

    def _ask(self, number: int, leg: Leg) -> tuple[Aftermath, int]:
        """Send the request, and once more for each page that its reply asked for."""
        terms, blocks = leg.terms, self._blocks
        cache = self._cache(terms)
        marked = marks(leg, len(blocks))
        if self._spare and self._first >= 0:
            marked = (*marked, Mark(self._first, terms.long))
        served = [cache.ask(blocks, marked, leg.at)]
        cost, window = terms.cost(served[0]), self._window
        faults, again = self._missing(leg)
        for page in faults:
            pair = self._recall(leg, page)
            blocks = [*blocks, *pair]
            window += pair[0].tokens + pair[1].tokens
            more = (Mark(len(blocks) - 1, terms.long),) if self._spare else ()
            served.append(cache.ask(blocks, (*marks(leg, len(self._blocks)), *more), leg.at))
            cost += terms.cost(served[-1]) + RECALL_TOKENS * terms.rates.output
        return Aftermath(number, tuple(served), cost, faults, again), window

    def _missing(self, leg: Leg) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the pages that the reply asked for, and those that it missed for the first time."""
        faults: dict[int, None] = {}
        again: dict[int, None] = {}
        for page, strict in leg.needs:
            if page not in self._folios or page not in self._shown or page in self._given:
                continue
            if page not in self._missed:
                again[page] = None
            if self._charge == "loose" or (self._charge == "strict" and strict):
                faults[page] = None
        self._missed.update(again)
        return tuple(faults), tuple(again)

    def _recall(self, leg: Leg, page: int) -> tuple[Block, Block]:
        folio = self._folios[page]
        pair = (Block(f"recall {page}", RECALL_TOKENS), Block(f"recalled {page}", folio.recall))
        if leg.last < len(self._route.names) and not self._forgets:
            self._recalled.setdefault(self._route.names[leg.last], []).append((page, pair))
        self._faulted.add(page)
        return pair
