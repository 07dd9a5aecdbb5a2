"""How likely a page is needed again, and for how many calls a conversation still goes on.

Invariants:
- Only sums, products and quotients of floats: the same figures on every machine.
- A prior is a figure with its source (the law stands in ``perdure.projection.ages``); what the conversation itself
  shows takes over as it grows.
"""

from typing import Final

from perdure.projection.ages import DOUBLING, doublings, is_file, needed_prior
from perdure.projection.trail import Trail

NEEDS_TRUSTED: Final = 1.5
"""The prior's weight, in pages needed: a conversation that shows twice the need is believed after some eight pages."""

FILE_NEEDED_AT_ONCE: Final = 0.35
OTHER_NEEDED_AT_ONCE: Final = 0.12
"""Of results whose preview comes in their place: needed whole by the very next reply. 36 % of files opened, 17 % of
commands' outputs and 9 % of searches with Claude Code, 8 % of commands' outputs with Codex, loosely, in the same
sessions; trusted like ``PREVIEWS_TRUSTED`` previews of that tool."""

PREVIEWS_TRUSTED: Final = 6.0

CALLS_PRIOR: Final = 12
"""A conversation goes on for as many calls again as it has had and this many more: half of those of 12 calls
reached 36. Lindy's law, which half and twice of it change little."""

STRESS: Final = 3.0
"""How much likelier than it looks a need is taken to be where not worth but risk is reckoned: needs come in bursts,
and two of the recorded sessions had replies that needed three and five pages at once."""

_LN2: Final = 0.6931


def calls_ahead(requests: int) -> int:
    """Return how many more calls to expect of a conversation that has had ``requests``."""
    return requests + CALLS_PRIOR


def needs_seen(trail: Trail, requests: int) -> float:
    """Return how many pages this conversation needed again for each that the law would have it need."""
    expected = trail.endured
    if trail.out_weight:
        expected += max(0, trail.out_weight * doublings(_mean_age(trail, requests)) - trail.out_doublings)
    return (NEEDS_TRUSTED + trail.needed) / (NEEDS_TRUSTED + expected / (DOUBLING * DOUBLING))


def rate_of(about: str, seen: float) -> float:
    """Return the share of pages like this one that are needed per doubling of age, for what was seen so far."""
    return min(seen * needed_prior(about) / DOUBLING, _LN2 * 0.9)


def needed_at_once(trail: Trail, tool: str, about: str) -> float:
    """Return how likely the next reply needs all of a result of which it sees a preview."""
    prior = FILE_NEEDED_AT_ONCE if is_file(about) else OTHER_NEEDED_AT_ONCE
    for tried in trail.tried:
        if tried.tool == tool:
            return (prior * PREVIEWS_TRUSTED + tried.needed) / (PREVIEWS_TRUSTED + tried.previews)
    return prior


def stays_away(rate: float, age: int, calls: int) -> float:
    """Return how likely a page of this age, not needed so far, isn't needed in that many more calls."""
    power = rate * (doublings(age + calls) - doublings(age)) / DOUBLING
    return 1.0 / (1.0 + power + power * power / 2.0 + power * power * power / 6.0)


def needed_next(rate: float, age: int) -> float:
    """Return how likely a page of this age, not needed so far, is needed by the very next reply."""
    return rate / _LN2 / max(1, age)


def calls_away(rate: float, age: int, calls: int) -> float:
    """Return in how many of the next ``calls`` to expect it to be away still."""
    stays = stays_away(rate, age, calls)
    return ((age + calls) * stays - age) / (1.0 - rate / _LN2)


def still_missed(trail: Trail, seen: float, requests: int, calls: int) -> float:
    """Return the share of the pages that are out which, at worst within reason, is still to be needed."""
    if not trail.out:
        return 0.0
    rate = min(STRESS * seen * trail.out_weight / trail.out / DOUBLING, 1.0)
    return 1.0 - stays_away(rate, _mean_age(trail, requests), calls)


def _mean_age(trail: Trail, requests: int) -> int:
    return max(1, requests - trail.out_numbers // max(1, trail.out_weight) + 1)
