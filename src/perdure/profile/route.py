"""The route that a session took, made ready to be played many times with pages moved.

Invariants:
- A page is a result by its call, its content and how often both came in its stretch, so it is the same page after
  the client rewrote the conversation around it. A block is likewise the same block, with the tokens it had first.
- What a page takes as a stub, as a preview and recalled follows from the page alone, never from a policy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from perdure.page.cache import Block, Mark, Served
from perdure.page.caching import CacheRule, Rates
from perdure.profile.trace import Exchange, Segment, Trace
from perdure.values.limits import RECALL_BYTES_MAX

STUB_CHARACTERS: Final = 200
"""Of the words that stand in a page's place, without its tool and what it is about."""

ABOUT_SHOWN: Final = 100
"""Characters of tool and path that a stub repeats at most."""

UNMARKED_TOKENS_MIN: Final = 512
"""Tokens behind a request's last mark that are more than the odd ones which every provider counts there."""


class Terms(NamedTuple):
    """What a request costs, and how its cache behaves."""

    model: str
    rule: CacheRule
    rates: Rates
    ttl: int
    """ns; of what is marked by this request"""
    long: bool = False
    """whether it marks for the longer of the provider's two lives"""

    def cost(self, served: Served) -> int:
        """Return what ``served`` costs, in tokens times millionths of a dollar per million."""
        rates = self.rates
        return (
            served.read * rates.read
            + (served.written - served.long) * rates.write
            + served.long * rates.write_long
            + served.plain * rates.input
        )

    @property
    def write(self) -> int:
        """The price of what this request writes."""
        return self.rates.write_long if self.long else self.rates.write


class Folio(NamedTuple):
    """A page where it stands in a stretch."""

    page: int
    segment: int
    tokens: int
    preview: int
    """tokens of its preview; 0 where there is none"""
    stub: int
    recall: int
    """tokens that come back when it is recalled"""
    before: int
    """tokens in front of it, nothing moved"""
    came: int
    """the request that it came with"""
    what: Segment

    @property
    def movable(self) -> bool:
        """Whether it may be moved: it is neither error nor media, and its stub is smaller than it is."""
        return not self.what.exempt and self.tokens > self.stub


class Leg(NamedTuple):
    """One request of the route."""

    at: int
    first: int
    last: int
    broken: bool
    """whether the client rewrote what it had sent"""
    tokens: int
    new: tuple[int, ...]
    """segments of the pages that are in it for the first time"""
    needs: tuple[tuple[int, bool], ...]
    """pages that its reply needed, and whether strictly"""
    terms: Terms
    front: int
    """segments of system prompt and schemas"""
    exchange: Exchange
    tail: int = 0
    """segments at its end that the client hadn't marked, as its usage shows"""
    cached: int = -1
    """segments of it that the provider was seen to have in its cache, where that isn't what the rules say"""


class Route(NamedTuple):
    """A session, ready to be played."""

    trace: Trace
    legs: tuple[Leg, ...]
    blocks: tuple[Block, ...]
    """one for each segment"""
    names: tuple[int, ...]
    """of the segments: the same number, the same block of the conversation"""
    folios: Mapping[int, Folio]
    """by segment"""


Priced = Callable[[Exchange], Terms]


def route(trace: Trace, priced: Priced) -> Route:
    """Return ``trace`` as a route, each request at the terms that ``priced`` gives it."""
    names: dict[tuple[str, str, str, int], int] = {}
    tokens: dict[int, int] = {}
    named: list[int] = []
    folios: dict[int, Folio] = {}
    legs: list[Leg] = []
    needs = _needs(trace)
    known: set[int] = set()
    counts: dict[tuple[str, str, str], int] = {}
    before = 0
    for number, request in enumerate(trace.requests):
        broken = number > 0 and request.first != trace.requests[number - 1].first
        if number == 0 or broken:
            named.extend([-1] * (request.first - len(named)))
            counts, before = {}, 0
        new: list[int] = []
        for place in range(len(named), request.last):
            segment = trace.segments[place]
            key = (segment.kind, segment.call, segment.digest)
            counts[key] = counts.get(key, 0) + 1
            name = names.setdefault((*key, counts[key]), len(names))
            named.append(name)
            if segment.kind == "result":
                folios[place] = _folio(
                    name, place, segment, tokens.setdefault(name, segment.tokens), before, number
                )
                if name not in known:
                    known.add(name)
                    new.append(place)
            before += tokens.setdefault(name, segment.tokens)
        legs.append(
            Leg(
                request.at,
                request.first,
                request.last,
                broken,
                request.usage.input_tokens,
                tuple(new),
                tuple(
                    (named[place], strict) for place, strict in needs.get(number, ()) if place < len(named)
                ),
                priced(request),
                _front(trace.segments, request),
                request,
                _tail(trace.segments, request),
            )
        )
    named.extend([-1] * (len(trace.segments) - len(named)))
    blocks = tuple(
        Block(str(name), tokens.get(name, segment.tokens))
        for name, segment in zip(named, trace.segments, strict=True)
    )
    return Route(trace, tuple(legs), blocks, tuple(named), folios)


def marks(leg: Leg, places: int) -> tuple[Mark, ...]:
    """Return the marks that the client sets in a request of ``places`` blocks: behind the front, and at the end.

    That is where Claude Code 2.1 sets them (two in the system prompt, one at the end of the last message).
    """
    end = Mark(places - 1 - leg.tail, leg.terms.long)
    return (Mark(leg.front - 1, leg.terms.long), end) if leg.front else (end,)


def _needs(trace: Trace) -> dict[int, list[tuple[int, bool]]]:
    found: dict[int, list[tuple[int, bool]]] = {}
    for need in trace.needs:
        found.setdefault(need.request, []).append((need.segment, need.why == "strict"))
    return found


def _folio(page: int, place: int, segment: Segment, tokens: int, before: int, number: int) -> Folio:
    words = STUB_CHARACTERS + min(len(segment.tool) + len(segment.about), ABOUT_SHOWN)
    size = max(segment.size, 1)
    stub = max(1, -(-words * tokens // size))
    recall = tokens if size <= RECALL_BYTES_MAX else -(-tokens * RECALL_BYTES_MAX // size)
    preview = segment.preview if stub < segment.preview < tokens else 0
    return Folio(page, place, tokens, preview, stub, recall, before, number, segment)


def _front(segments: Sequence[Segment], request: Exchange) -> int:
    place = request.first
    while place < request.last and segments[place].kind in ("system", "schema"):
        place += 1
    return place - request.first


def _tail(segments: Sequence[Segment], request: Exchange) -> int:
    """Return how many segments at the end were neither read nor written, where writes are counted."""
    usage = request.usage
    left = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    if not usage.cache_write_tokens or left < UNMARKED_TOKENS_MIN:
        return 0
    count = 0
    for place in range(request.last - 1, request.first, -1):
        left -= segments[place].tokens
        if left < -UNMARKED_TOKENS_MIN // 2:
            break
        count += 1
    return count
