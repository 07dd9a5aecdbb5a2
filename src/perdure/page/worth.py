"""What a move is worth, in money or in what stands for it, and what may be risked for it.

Invariants:
- Worth is in millionths of a dollar times a million (a price of a tariff times tokens), so whole tokens lose nothing.
- No move is worth anything where prices are not known, unless room was asked for.
- What is at risk never exceeds what was saved so far and two hundredths of what append-only would have cost. A
  single page's fault always fits; of the others, the share counts that is at worst still to be missed.
"""

from math import inf
from typing import Final, NamedTuple

from perdure.page.alone import MILLION, write_price
from perdure.page.odds import (
    calls_ahead,
    calls_away,
    needed_at_once,
    needed_per_doubling,
    stays_away,
    still_missed,
)
from perdure.projection.state import Conversation
from perdure.values.limits import RECALL_ANSWER_TOKENS, RECALL_CALL_TOKENS, UNCACHED_REQUESTS

LOSS_MAX: Final = 0.02
"""Of what append-only would have cost: a conversation may lose no more."""


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
    rate: float
    window: int
    share: float
    """of pages that leave, what is at worst still to be missed"""
    free: float
    """what may be lost; and what may still be put at risk, since pages that are out may be missed:"""
    budget: float

    def kept_out(self, tokens: int, whole: int, age: int, at_once: float = 0.0) -> float:
        """Return the worth of keeping ``tokens`` of a page of ``whole`` out from now on, its faults taken off.

        ``at_once`` is a token's price that this request already saves.
        """
        away = calls_away(self.rate, age, self.calls)
        missed = 1.0 - stays_away(self.rate, age, self.calls)
        return tokens * (self.read * away + at_once) - missed * self.faulted(whole)

    def faulted(self, whole: int) -> float:
        """Return what it costs when a page of ``whole`` tokens is asked for."""
        return self.fault + self.write * whole


def stakes_of(talk: Conversation, *, uncached: bool) -> Stakes | None:
    """Return what is at stake in the conversation's newest request; None where that isn't known.

    ``uncached``: nothing is cached, whatever the tariff says.
    """
    tariff = talk.tariff
    window = max(0, talk.tokens - talk.moved + talk.trail.recalled)
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
    share = still_missed(talk.trail, talk.evicted)
    counted = uncached or tariff.subscription or not tariff.input
    free = inf if counted else (talk.saved_microusd + talk.alone_microusd * LOSS_MAX) * MILLION
    return Stakes(
        read,
        write,
        write - read,
        fault,
        calls_ahead(talk.requests),
        needed_per_doubling(talk.trail, talk.requests),
        window,
        share,
        free,
        free - share * (talk.trail.out * fault + talk.trail.out_tokens * write),
    )


def preview_worth(stakes: Stakes, talk: Conversation, tool: str, tokens: int, shown: int) -> float:
    """Return the worth of letting a result of ``tokens`` in as a preview of ``shown``."""
    at_once = needed_at_once(talk.trail, tool)
    away = (1.0 - at_once) * stakes.kept_out(tokens - shown, tokens, 1)
    return stakes.write * (tokens - shown) + away - at_once * stakes.faulted(tokens)


def nothing_cached(talk: Conversation) -> bool:
    """Whether the provider has been seen to cache nothing, for long enough."""
    return talk.uncached >= UNCACHED_REQUESTS
