"""What a request would have cost had nothing ever been moved: the append-only counterfactual.

Invariants:
- Where nothing is moved, it is exactly what was paid.
- Otherwise only the difference is computed: from the tokens that moves keep out, put right by what the provider
  counted, and from what its cache gave. Where a move had it write anew, what the cache would have given is taken
  from the request before.
"""

from perdure.log.events import Tariff, Usage
from perdure.projection.conversations import whole_window
from perdure.projection.state import Conversation, State

MILLION = 1_000_000
"""Tokens that a price of a tariff is for."""


def alone(state: State, told: Usage, *, calls: int = 1) -> int:
    """Return what the newest request would have cost alone, in millionths of a dollar.

    ``state`` has taken in the request, its moves and the faults of its reply, but not yet the answer. ``told`` is
    the usage of the last of its ``calls``, its cost included.
    """
    talk = state.live.conversation
    if talk is None:
        return told.cost_microusd
    trail = talk.trail
    if calls <= 1 and not trail.rewritten:
        return max(0, told.cost_microusd + _kept_out(talk, told) // MILLION)
    return _modelled(talk, told) // MILLION


def write_price(tariff: Tariff) -> int:
    """Return what a token that enters the cache costs; where writing has no price of its own, what input costs."""
    return tariff.write or tariff.input


def _kept_out(talk: Conversation, told: Usage) -> int:
    """What the tokens that are not there would have cost, at what those beside them did; in prices of a million."""
    tariff = talk.tariff
    missing = whole_window(talk, told.input_tokens) - told.input_tokens
    if not missing:
        return 0
    if not told.cache_read_tokens:
        return missing * (write_price(tariff) if told.cache_write_tokens else tariff.input)
    entered = talk.trail.entered * told.input_tokens // max(1, talk.tokens - talk.moved + talk.trail.recalled)
    return (missing - entered) * tariff.read + entered * write_price(tariff)


def _modelled(talk: Conversation, told: Usage) -> int:
    tariff, trail = talk.tariff, talk.trail
    whole = whole_window(talk, told.input_tokens)
    if trail.broken:
        read = told.cache_read_tokens
    elif tariff.ttl and trail.idle <= max(tariff.ttl, trail.longest) and talk.cached + trail.whole:
        read = trail.whole if trail.warmed or talk.cached else 0
    else:
        read = 0
    read = min(read, whole)
    price = write_price(tariff) if tariff.ttl and whole >= tariff.minimum else tariff.input
    return read * tariff.read + (whole - read) * price + told.output_tokens * tariff.output
