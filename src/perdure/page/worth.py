"""What a move is worth, in money or in what stands for it, and what may be risked for it.

Invariants:
- Worth is in millionths of a dollar times a million (a price of a tariff times tokens), so whole tokens lose nothing.
- No move is worth anything where prices are not known, unless room was asked for.
- A move is made while what is at risk fits into what was saved so far and what may be lost. At risk is what every
  page that is out would cost if it were asked for now, times how likely that is at its worst. Beyond that only good
  bets are made, and none where moves have lost on the whole: so what may be lost is passed by what is out then, and
  by no move that comes later.
"""

from math import inf
from typing import Final, NamedTuple

from perdure.log.events import Arrived
from perdure.page.alone import MILLION, write_price
from perdure.page.odds import (
    STRESS,
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

AT_RISK_MIN: Final = 0.9
"""Of a page's fault, what is at risk when it leaves, however unlikely the fault is; and of ``LOSS_MAX``, what may be
at risk. So whoever asks for each page as soon as it has left finds no loss above the cap but by good bets."""

GOOD_BET: Final = 0.8
"""Of its fault: a move that is worth as much is made also beyond what may be risked, as long as moves have lost
nothing on the whole. Of the recorded sessions 0.7 to 0.9 do about the same; at less, short ones lose, and at more,
those gain little that have their large results early."""

ROOM_WORTH: Final = 2.0
"""How much more than its price a token out of the window is worth where room is wanted."""


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
    """what may be lost; and what may still be put at risk, since pages that are out may be missed:"""
    budget: float
    daring: bool
    """whether nothing was lost on the whole so far"""
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

    def dares(self, worth: float, fault: float) -> bool:
        """Whether a move of that worth, whose fault costs that much, is made whatever is at risk."""
        return self.daring and worth >= GOOD_BET * fault

    def faulted(self, whole: int) -> float:
        """Return what it costs when a page of ``whole`` tokens is asked for."""
        return self.fault + self.write * whole

    def at_risk(self, whole: int, about: str, age: int, spared: float = 0.0) -> float:
        """Return what a page of ``whole`` tokens puts at risk once it is out, if leaving spares that much at once."""
        rate = min(STRESS * rate_of(about, self.seen), 1.0)
        chance = max(AT_RISK_MIN, 1.0 - stays_away(rate, age, self.calls))
        return chance * max(0.0, self.faulted(whole) - spared)


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
    free = inf if counted else (talk.saved_microusd + talk.alone_microusd * LOSS_MAX * AT_RISK_MIN) * MILLION
    missed = still_missed(trail, seen, talk.requests, calls)
    at_risk = missed * (trail.out * fault + trail.out_tokens * write)
    if talk.mode == "room":
        held, at_risk = read * ROOM_WORTH, 0.0
    else:
        held = read
    daring = talk.mode != "room" and talk.saved_microusd >= 0
    return Stakes(read, write, write - read, fault, calls, seen, window, free, free - at_risk, daring, held)


def preview_worth(stakes: Stakes, talk: Conversation, new: Arrived) -> float:
    """Return the worth of letting a result in as a preview."""
    tokens, spared = new.tokens, new.tokens - new.preview_tokens
    at_once = needed_at_once(talk.trail, new.tool, new.about)
    away = (1.0 - at_once) * stakes.kept_out(spared, tokens, new.about, 1)
    return stakes.write * spared + away - at_once * stakes.faulted(tokens)


def preview_risk(stakes: Stakes, talk: Conversation, new: Arrived) -> float:
    """Return what a preview puts at risk."""
    spared = stakes.write * (new.tokens - new.preview_tokens)
    at_once = min(1.0, STRESS * needed_at_once(talk.trail, new.tool, new.about))
    later = (1.0 - at_once) * stakes.at_risk(new.tokens, new.about, 1, spared)
    return at_once * max(0.0, stakes.faulted(new.tokens) - spared) + later


def nothing_cached(talk: Conversation) -> bool:
    """Whether the provider has been seen to cache nothing, for long enough."""
    return talk.uncached >= UNCACHED_REQUESTS
