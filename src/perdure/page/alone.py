"""What a request would have cost had nothing ever been moved: the append-only counterfactual.

Invariants:
- Where nothing is moved, it is exactly what was paid.
- Otherwise only the difference is computed: from the tokens that moves keep out, put right by what the provider
  counted, and from what its cache gave. Where a move had it write anew, what the cache would have given is taken
  from the request before.
"""

from perdure.log.events import Tariff, Usage
from perdure.projection.conversations import density
from perdure.projection.state import Conversation, State

MILLION = 1_000_000
"""Tokens that a price of a tariff is for."""


def alone(state: State, first: Usage, told: Usage | None = None) -> int:
    """Return what the newest request would have cost alone, in millionths of a dollar.

    ``state`` has taken in the request, its moves and the faults of its reply, but not yet the answer. ``first`` is
    the usage of the first call that it took, its cost included, and ``told`` that of the last, whose words the
    client got; None where there was one.
    """
    talk = state.live.conversation
    told = told or first
    if talk is None:
        return told.cost_microusd
    cost = first.cost_microusd * MILLION + (told.output_tokens - first.output_tokens) * talk.tariff.output
    if not talk.trail.rewritten:
        more = _kept_out(talk, first)
    elif talk.trail.broken:
        # Where the client's own break begins isn't known: only what is certain is counted.
        more = _missing(talk, first)[0] * talk.tariff.read
    else:
        more = _had_it_read(talk, first)
    return max(0, cost + more) // MILLION


def write_price(tariff: Tariff) -> int:
    """Return what a token that enters the cache costs; where writing has no price of its own, what input costs."""
    return tariff.write or tariff.input


def _kept_out(talk: Conversation, first: Usage) -> int:
    """What the tokens that are not there would have cost, at what those beside them did."""
    tariff, trail = talk.tariff, talk.trail
    missing, entered, returned = _missing(talk, first)
    if not first.cache_read_tokens:
        return missing * (write_price(tariff) if first.cache_write_tokens else tariff.input)
    # What was recalled with the reply before is in the cache by now, unless more was written than the client added.
    added = max(0, talk.tokens - trail.before) - trail.entered
    anew = entered - min(returned, max(0, first.input_tokens - first.cache_read_tokens - added))
    return (missing - anew) * tariff.read + anew * write_price(tariff)


def _had_it_read(talk: Conversation, first: Usage) -> int:
    """What the request would have cost more, had the cache given all of the one before, where it still could."""
    tariff, trail = talk.tariff, talk.trail
    whole = first.input_tokens + _missing(talk, first)[0]
    warm = 0 < trail.idle <= max(tariff.ttl, trail.longest) and (trail.warmed or talk.cached > 0)
    read = min(trail.whole, whole) if warm else first.cache_read_tokens
    price = write_price(tariff) if tariff.ttl and whole >= tariff.minimum else tariff.input
    paid = first.cache_read_tokens * tariff.read
    paid += (first.input_tokens - first.cache_read_tokens) * price
    return read * tariff.read + (whole - read) * price - paid


def _missing(talk: Conversation, first: Usage) -> tuple[int, int, int]:
    """Return the tokens that aren't there because of moves, those of them that would be new, and what was recalled.

    Estimates are put right by what the provider counted: only their proportion matters.
    """
    trail = talk.trail
    recalled = trail.recalled - trail.asked
    scaled, estimate = density(first.input_tokens, talk.tokens - talk.moved + recalled)
    if estimate <= 0:
        return 0, 0, 0
    return (
        scaled * (talk.moved - recalled) // estimate,
        scaled * trail.entered // estimate,
        scaled * trail.returned // estimate,
    )
