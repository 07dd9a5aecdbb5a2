"""When paging freezes by itself: what was decided stays in place, and nothing more is decided.

Invariants:
- A freeze is never taken back here; a person may.
- Each reason is a sentence with the figures that led to it.
"""

from typing import Final

from perdure.page.worth import LOSS_MAX
from perdure.projection.state import Conversation
from perdure.values.limits import COLLAPSED_REQUESTS, FAULTS_TOLD_MIN

ALARM: Final = "the provider's cache was read no more"
"""What the reason begins with when cache reads collapsed."""

LOSS_TOLD_AFTER: Final = 100
"""Requests before a loss freezes for good. Earlier one or two faults are two hundredths of everything; nothing more
moves then either, since what may be at risk is used up, until the conversation has outgrown the loss."""

_FAULTS_OF_THREE: Final = 2
"""Of three pages that left, so many came back: more than any price of a fault was paid for."""


def tripped(talk: Conversation) -> str:
    """Return why paging must freeze now; empty where it needn't.

    Where room is wanted, money and faults don't freeze: a window that is let grow is what was not wanted, losses
    pause what isn't needed for room, and a version of a page is recalled but once.
    """
    if talk.trail.collapsed >= COLLAPSED_REQUESTS:
        return f"{ALARM}: {talk.cached} of {talk.window} tokens, though nothing in front had changed"
    if talk.mode == "room":
        return ""
    if talk.requests > LOSS_TOLD_AFTER and talk.saved_microusd < -talk.alone_microusd * LOSS_MAX:
        return (
            f"moves cost more than they saved: {-talk.saved_microusd} of {talk.alone_microusd} microdollars"
        )
    if talk.faulted >= FAULTS_TOLD_MIN and talk.faulted * 3 > talk.evicted * _FAULTS_OF_THREE:
        return f"most pages that left were asked for again: {talk.faulted} of {talk.evicted}"
    return ""
