"""What a move is worth, in money or in what stands for it, and what may be risked for it.

Invariants:
- Worth is in millionths of a dollar times a million (a price of a tariff times tokens), so whole tokens lose nothing.
- No move is worth anything where prices are not known, unless room was asked for.
- A move is made only while what is at risk fits into what was saved so far and what may be lost. At risk is what
  the faults of all pages that are out cost together in all but the worst cases: their mean, and twice their spread.
  Only a move that is worth nearly its whole fault is made beyond that.
"""

from math import inf, sqrt
from typing import Final, NamedTuple

from perdure.log.events import Arrived
from perdure.page.alone import MILLION, write_price
from perdure.page.odds import (
    calls_ahead,
    calls_away,
    needed_at_once,
    needed_next,
    needs_seen,
    rate_of,
    stays_away,
    still_missed,
)
from perdure.projection.state import Conversation
from perdure.values.limits import RECALL_ANSWER_TOKENS, RECALL_CALL_TOKENS, UNCACHED_REQUESTS

LOSS_MAX: Final = 0.02
"""Of what append-only would have cost: a conversation may lose no more."""

SURE: Final = 2.0
"""Standard deviations above the mean that the cost of faults is reckoned at: one case in forty is worse."""

GOOD_BET: Final = 0.8
"""Of its fault: a move that is worth as much is made also beyond what may be risked. A conversation in which such
moves keep failing has more of its pages needed than was expected, and so no such moves any more."""

ROOM_WORTH: Final = 2.0
"""How much more than its price a token out of the window is worth where room is wanted."""


class Risk(NamedTuple):
    """What faults of pages may cost: mean and variance, and what their leaving spares for sure."""

    mean: float = 0.0
    variance: float = 0.0
    spared: float = 0.0

    def __add__(self, other: "object") -> "Risk":
        """Return the risk of both."""
        if not isinstance(other, Risk):
            return NotImplemented
        return Risk(self.mean + other.mean, self.variance + other.variance, self.spared + other.spared)


class Stakes(NamedTuple):
    """What a token costs now, and what is to be expected."""

    read: float
    """a token that is already in the window, per call"""
    write: float
    """a token that is new in it"""
    rewrite: float
    """what a token costs more when it is written again instead of read"""
    fault: float
    """a fault of a page, without the page's own tokens"""
    calls: int
    """how many more to expect"""
    seen: float
    """pages needed again so far, for each that was expected"""
    window: int
    free: float
    """what may be lost; and what is at risk already, since pages that are out may be missed:"""
    out: Risk
    held: float
    """what keeping a token out of one call is worth: ``read``, and more where room is wanted"""

    def kept_out(self, tokens: int, whole: int, about: str, age: int, at_once: float = 0.0) -> float:
        """Return the worth of keeping ``tokens`` of a page of ``whole`` out from now on, its faults taken off.

        ``at_once`` is a token's price that this request already saves.
        """
        rate = rate_of(about, self.seen)
        away = calls_away(rate, age, self.calls)
        missed = 1.0 - stays_away(rate, age, self.calls)
        return tokens * (self.held * away + at_once) - missed * self.faulted(whole)

    def due(self, tokens: int, whole: int, about: str, age: int) -> bool:
        """Whether keeping ``tokens`` out of one call more is worth more than what that call's fault may cost."""
        return tokens * self.read > needed_next(rate_of(about, self.seen), age) * self.faulted(whole)

    def faulted(self, whole: int) -> float:
        """Return what it costs when a page of ``whole`` tokens is asked for."""
        return self.fault + self.write * whole

    def at_risk(self, whole: int, about: str, age: int, spared: float = 0.0) -> Risk:
        """Return what a page of ``whole`` tokens puts at risk once it is out, if leaving spares that much at once."""
        missed = 1.0 - stays_away(rate_of(about, self.seen), age, self.calls)
        return risk_of(missed, self.faulted(whole), spared)

    def beside(self, more: Risk) -> "Stakes":
        """Return the stakes once ``more`` is risked as well."""
        return self._replace(free=self.free + more.spared, out=self.out + more._replace(spared=0.0))

    def dares(self, worth: float, fault: float) -> bool:
        """Whether a move of that worth is good enough to be made whatever is at risk."""
        return worth >= GOOD_BET * fault

    def bears(self, more: Risk, paid: float = 0.0) -> bool:
        """Whether ``more`` may be risked beside what is at risk already, and ``paid`` be paid for it now."""
        risk = self.out + more
        return risk.mean + SURE * sqrt(risk.variance) + paid <= self.free + more.spared


def stakes_of(talk: Conversation, *, uncached: bool) -> Stakes | None:
    """Return what is at stake in the conversation's newest request; None where that isn't known.

    ``uncached``: nothing is cached, whatever the tariff says.
    """
    tariff, trail = talk.tariff, talk.trail
    window = max(0, talk.tokens - talk.moved + trail.recalled)
    if uncached:
        read = write = float(tariff.input or MILLION)
    elif not tariff.input and talk.mode != "room":
        return None
    elif tariff.subscription or not tariff.input:
        # Rate limits, and the time until the first word, count what is not read from the cache.
        read, write = 0.0, float(write_price(tariff) or MILLION)
    elif not tariff.ttl or window < tariff.minimum:
        read = write = float(tariff.input)
    else:
        read, write = float(tariff.read), float(write_price(tariff))
    again = RECALL_CALL_TOKENS * float(tariff.output or tariff.input) + RECALL_ANSWER_TOKENS * write
    fault = read * window + again
    calls, seen = calls_ahead(talk.requests), needs_seen(trail, talk.requests)
    counted = uncached or tariff.subscription or not tariff.input
    free = inf if counted else (talk.saved_microusd + talk.alone_microusd * LOSS_MAX) * MILLION
    if talk.mode == "room":
        return Stakes(read, write, write - read, fault, calls, seen, window, free, Risk(), read * ROOM_WORTH)
    out = Risk()
    if trail.out:
        missed = still_missed(trail, seen, talk.requests, calls)
        one = risk_of(missed, fault + write * trail.out_tokens / trail.out)
        out = Risk(one.mean * trail.out, one.variance * trail.out)
    return Stakes(read, write, write - read, fault, calls, seen, window, free, out, read)


def risk_of(missed: float, fault: float, spared: float = 0.0) -> Risk:
    """Return the risk of a page that is missed with that chance."""
    return Risk(missed * fault, missed * (1.0 - missed) * fault * fault, spared)


def preview_worth(stakes: Stakes, talk: Conversation, new: Arrived) -> float:
    """Return the worth of letting a result in as a preview."""
    tokens, spared = new.tokens, new.tokens - new.preview_tokens
    at_once = needed_at_once(talk.trail, new.tool, new.about)
    away = (1.0 - at_once) * stakes.kept_out(spared, tokens, new.about, 1)
    return stakes.write * spared + away - at_once * stakes.faulted(tokens)


def preview_risk(stakes: Stakes, talk: Conversation, new: Arrived) -> Risk:
    """Return what a preview puts at risk."""
    spared = stakes.write * (new.tokens - new.preview_tokens)
    at_once = needed_at_once(talk.trail, new.tool, new.about)
    later = 1.0 - stays_away(rate_of(new.about, stakes.seen), 1, stakes.calls)
    return risk_of(at_once + (1.0 - at_once) * later, stakes.faulted(new.tokens), spared)


def nothing_cached(talk: Conversation) -> bool:
    """Whether the provider has been seen to cache nothing, for long enough."""
    return talk.uncached >= UNCACHED_REQUESTS
