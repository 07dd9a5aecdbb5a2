"""How likely a page is needed again, and for how many calls a conversation still goes on.

Invariants:
- Only sums, products and quotients of floats: the same figures on every machine.
- A prior is a figure with its source; what the conversation itself shows takes over as it grows.

The law: with each doubling of a page's age, the same share of those that were not needed so far is needed. Measured
on 609 results of 1,000 tokens and more in 26 recorded sessions of Claude Code and Codex, with loose needs (called
again, quoted, or a call about the same path): 0.19, 0.11, 0.12, 0.11, 0.08, 0.13, 0.11 per doubling from an age of 1
to 128 calls, and nowhere off that by half. Memory has long been known to work so (Anderson and Schooler, 1991).
"""

from typing import Final

from perdure.projection.ages import DOUBLING, doublings
from perdure.projection.trail import Trail

NEEDED_PER_DOUBLING: Final = 0.12
"""Of pages not needed so far, per doubling of their age."""

DOUBLINGS_TRUSTED: Final = 12.0
"""The prior's weight, in doublings seen: some six pages' lives."""

NEEDED_AT_ONCE: Final = 0.2
"""Of results whose preview came in their place: needed whole by the very next reply. 7 % of commands' outputs and
35 % of files read, loosely, in the same sessions; trusted like ``PREVIEWS_TRUSTED`` previews of that tool."""

PREVIEWS_TRUSTED: Final = 6.0

CALLS_PRIOR: Final = 12
"""A conversation goes on for as many calls again as it has had and this many more: half of those of 12 calls
reached 36. Lindy's law, which half and twice of it change little."""

MISSED_PRIOR: Final = 0.3
"""Of pages that leave, needed again in the end: between 18 and 35 % in seven corpora."""

MISSED_TRUSTED: Final = 8.0

STRESS: Final = 1.5
"""How much worse than seen so far the share of pages that are still to be missed is taken to be."""

_LN2: Final = 0.6931


def calls_ahead(requests: int) -> int:
    """Return how many more calls to expect of a conversation that has had ``requests``."""
    return requests + CALLS_PRIOR


def needed_per_doubling(trail: Trail, requests: int) -> float:
    """Return the share of pages needed per doubling of age, as this conversation shows it so far."""
    seen = trail.endured
    if trail.out:
        mean_age = max(1, requests - trail.out_numbers // trail.out + 1)
        seen += max(0, trail.out * doublings(mean_age) - trail.out_doublings)
    rate = (NEEDED_PER_DOUBLING * DOUBLINGS_TRUSTED + trail.needed) / (DOUBLINGS_TRUSTED + seen / DOUBLING)
    return min(rate, _LN2 * 0.9)


def needed_at_once(trail: Trail, tool: str) -> float:
    """Return how likely the next reply needs all of a result of ``tool`` of which it sees a preview."""
    for tried in trail.tried:
        if tried.tool == tool:
            return (NEEDED_AT_ONCE * PREVIEWS_TRUSTED + tried.needed) / (PREVIEWS_TRUSTED + tried.previews)
    return NEEDED_AT_ONCE


def stays_away(rate: float, age: int, calls: int) -> float:
    """Return how likely a page of this age, not needed so far, isn't needed in that many more calls."""
    power = rate * (doublings(age + calls) - doublings(age)) / DOUBLING
    return 1.0 / (1.0 + power + power * power / 2.0 + power * power * power / 6.0)


def calls_away(rate: float, age: int, calls: int) -> float:
    """Return in how many of the next ``calls`` to expect it to be away still."""
    stays = stays_away(rate, age, calls)
    return ((age + calls) * stays - age) / (1.0 - rate / _LN2)


def still_missed(trail: Trail, evicted: int) -> float:
    """Return the share of the pages that are out which, at worst within reason, is still to be needed."""
    at_once = sum(tried.needed for tried in trail.tried)
    seen = (MISSED_PRIOR * MISSED_TRUSTED + trail.needed + at_once) / (MISSED_TRUSTED + evicted)
    return min(1.0, STRESS * seen)
