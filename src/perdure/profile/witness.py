"""What befell the cache of a recorded session, found where the provider counted other than the rules say.

Rules of caches don't say everything: entries get lost before their time, a client changes what stands in front, side
calls and other sessions keep alive what a session by itself would have lost. Those are events of the session, like
the hour of a request, and a policy that is played on it meets them as the session did. They are found by playing
the session with nothing moved: where the counted reading differs by more than ``TOLERANCE``, what was in the cache
is taken as seen, to the last block. All that the rules do predict is left to the rules, and counted.

Invariants:
- An event says how many blocks were in the cache, never how many tokens are to be read: what a moved page then
  costs follows from the rules alone.
- A session in which the rules predict everything has no events.
"""

from typing import Final, Literal, NamedTuple

from perdure.page.cache import Block, PromptCache
from perdure.profile.route import Leg, Route, marks

Why = Literal["shared", "warm", "extended", "start", "lost", "older", "rewritten"]

TOLERANCE: Final = 0.01
"""Of a request's tokens; less is rounding, and the odd reminder that comes and goes."""

TOLERATED_TOKENS: Final = 1024
"""And at least this many: the coarsest step in which a provider counts, twice."""

EXPLAINED: Final[dict[Why, str]] = {
    "start": "the front was in the cache already: another session had written it",
    "shared": "after the time was out the front was still there: other sessions keep it warm",
    "warm": "all of it was there although the time was out: a call that isn't recorded kept it warm",
    "extended": "more was there than had been sent: a call that isn't recorded went on from the reply",
    "lost": "within its time only the front was left: the client changed what follows it, or the provider lost it",
    "older": "only an older prefix was left: the newest was not kept, or the client changed its end",
    "rewritten": "the client rewrote the conversation, and the kept part of it was there",
}


class Befallen(NamedTuple):
    """Where the record and the rules part."""

    request: int
    why: Why
    counted: int
    predicted: int


class Witnessed(NamedTuple):
    """A route with what befell its cache, and how it compares with what the provider counted."""

    route: Route
    befallen: tuple[Befallen, ...]
    read: int
    """as counted"""
    written: int
    read_by_rules: int
    """with nothing but the rules"""
    written_by_rules: int
    read_replayed: int
    """with what befell it"""
    written_replayed: int


def witnessed(route: Route) -> Witnessed:
    """Return ``route`` with the events that its usage shows."""
    legs: list[Leg] = []
    befallen: list[Befallen] = []
    caches: dict[str, PromptCache] = {}
    before, sums = 0, [0, 0]
    for number, leg in enumerate(route.legs):
        seen = -1
        blocks = list(route.blocks[leg.first : leg.last])
        terms = leg.terms
        cache = caches.setdefault(terms.model, PromptCache(terms.rule, terms.ttl if not terms.long else 0))
        placed = marks(leg, len(blocks))
        counted, predicted = leg.exchange.usage.cache_read_tokens, cache.peek(blocks, placed, leg.at)
        if abs(counted - predicted) > max(TOLERATED_TOKENS, TOLERANCE * leg.tokens):
            places = _places(blocks, counted)
            cold = number > 0 and leg.at - before > terms.ttl
            why = _why(leg, counted=counted, predicted=predicted, cold=cold, places=places, number=number)
            befallen.append(Befallen(number, why, counted, predicted))
            cache.lose(blocks, places)
            cache.keep(blocks, places, leg.at)
            seen = places
        served = cache.ask(blocks, placed, leg.at)
        sums = [sums[0] + served.read, sums[1] + served.written]
        legs.append(leg._replace(cached=seen))
        before = leg.at
    alone = _by_rules(route)
    usages = [leg.exchange.usage for leg in route.legs]
    return Witnessed(
        route._replace(legs=tuple(legs)),
        tuple(befallen),
        sum(usage.cache_read_tokens for usage in usages),
        sum(_written(leg) for leg in route.legs),
        *alone,
        *sums,
    )


def _written(leg: Leg) -> int:
    """Return the tokens that were written as counted, or not read where writes are free and not counted."""
    usage = leg.exchange.usage
    if leg.terms.rule.kind == "longest":
        return usage.input_tokens - usage.cache_read_tokens
    return usage.cache_write_tokens


def _by_rules(route: Route) -> tuple[int, int]:
    caches: dict[str, PromptCache] = {}
    read, written = 0, 0
    for leg in route.legs:
        blocks = route.blocks[leg.first : leg.last]
        terms = leg.terms
        cache = caches.setdefault(terms.model, PromptCache(terms.rule, terms.ttl if not terms.long else 0))
        served = cache.ask(blocks, marks(leg, len(blocks)), leg.at)
        read, written = read + served.read, written + served.written
    return read, written


def _places(blocks: list[Block], counted: int) -> int:
    """Return how many blocks in front take ``counted`` tokens, a hundredth more or less."""
    tokens = 0
    for place, block in enumerate(blocks):
        tokens += block.tokens
        if tokens > counted + max(64, counted // 100):
            return place
    return len(blocks)


def _why(leg: Leg, *, counted: int, predicted: int, cold: bool, places: int, number: int) -> Why:
    if number == 0:
        return "start"
    if leg.broken:
        return "rewritten"
    if counted > predicted:
        if not cold:
            return "extended"
        return "shared" if places <= leg.front + 1 else "warm"
    return "lost" if places <= leg.front + 1 else "older"
