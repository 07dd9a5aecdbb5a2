"""Which pages move, when a request goes on: the one place where that is decided.

Invariants:
- Pure: the same state and request give the same moves, byte for byte.
- A page only ever gets smaller: whole, preview, stub. What stands in its place is decided once for each step.
- A page that the model hasn't seen stays whole or comes as the preview that was made ahead; it never leaves at once.
- Frozen, observing or unknown: whole admissions, and nothing else.

Cost: a request without large results looks at no page that isn't new in it. All pages are looked at when the cache
is cold, or a batch is due, which is when the window has grown by an eighth.
"""

from typing import Final

from msgspec.structs import replace

from perdure.log import events as e
from perdure.page.breaker import tripped
from perdure.page.leaving import STUB_TOKENS, Choice, batch, batch_due, cold, evictions, room, uncached, used
from perdure.page.worth import Stakes, nothing_cached, preview_risk, preview_worth, stakes_of
from perdure.projection.state import Conversation, State
from perdure.values.limits import PIN_REQUESTS, PIN_REQUESTS_MAX, PREVIEW_TOKENS_MIN

_MARGIN: Final = 5
"""A fifth is added to the cache's time: entries were read up to that much later than promised, and clocks differ."""

_TAIL_TOKENS: Final = 400
"""What stands behind a result when it leaves after its first use: the call and its neighbours, in the median."""

_LOOKS_UNCACHED: Final = 4
"""Requests between two looks at all pages where nothing is cached."""


def moves(state: State, body: e.RequestForwarded, at: int) -> tuple[e.Body, ...]:
    """Return the moves that follow from ``body``, in order; ``state`` has it taken in already.

    ``at`` is when it came, in ns.
    """
    del at
    talk = state.live.conversation
    if talk is None:
        return ()
    known = state.live.pages
    new = tuple(each for each in body.arrived if each.page not in known) if body.arrived else ()
    if talk.frozen or talk.mode == "observe" or body.purpose != "main":
        return tuple(_whole(each, body.number) for each in new)
    why = tripped(talk)
    if why:
        frozen = e.PagingSet(talk.mode, frozen=True, why=why, by="perdure")
        return (frozen, *(_whole(each, body.number) for each in new))
    stakes = stakes_of(talk, uncached=talk.mode == "nocache" and nothing_cached(talk))
    if stakes is None:
        return tuple(_whole(each, body.number) for each in new)
    return _paged(state, body, new, talk, stakes)


def _paged(
    state: State,
    body: e.RequestForwarded,
    new: tuple[e.Arrived, ...],
    talk: Conversation,
    stakes: Stakes,
) -> tuple[e.Body, ...]:
    events: list[e.Body] = []
    for each in new:
        if _as_preview(each, talk, stakes, body.number):
            events.append(_preview(each, body.number))
            stakes = stakes._replace(budget=stakes.budget - preview_risk(stakes, talk, each))
        else:
            events.append(_whole(each, body.number))
            until = _hot_until(talk, each.about, body.number)
            if until and not each.exempt:
                events.append(e.PagePinned(each.page, until))
    if talk.trail.resident and talk.trail.before:
        events += evictions(_leaving(state, talk, stakes, body.number))
    return tuple(events)


def _leaving(state: State, talk: Conversation, stakes: Stakes, number: int) -> Choice:
    """Return what leaves now, by the cheapest occasion there is."""
    if not stakes.rewrite:
        look = number % _LOOKS_UNCACHED == 0 or bool(talk.trail.used)
        return uncached(state, stakes, number) if look else Choice()
    if is_cold(talk):
        return cold(state, stakes, number)
    if talk.mode == "room" and stakes.window > talk.room > 0 and not talk.trail.broken:
        return room(state, talk, stakes, number)
    choice = used(state, talk, stakes, number) if talk.trail.used else Choice()
    if not choice.leaves and not talk.trail.broken and batch_due(talk):
        choice = batch(state, talk, stakes, number)
    return choice


def is_cold(talk: Conversation) -> bool:
    """Whether the provider's cache has nothing left of the conversation: idle past its time, with a margin.

    Where it was once read after a longer pause than it promises, only longer ones than that count.
    """
    ttl, trail = talk.tariff.ttl, talk.trail
    return (
        ttl > 0
        and trail.idle > ttl + ttl // _MARGIN
        and trail.idle > trail.longest + trail.longest // _MARGIN
    )


def _as_preview(each: e.Arrived, talk: Conversation, stakes: Stakes, number: int) -> bool:
    shown, tokens = each.preview_tokens, each.tokens
    if each.preview is None or each.exempt or not each.call or not 0 < shown < tokens:
        return False
    if tokens < PREVIEW_TOKENS_MIN or _hot_until(talk, each.about, number):
        return False
    worth, fault = preview_worth(stakes, talk, each), stakes.faulted(tokens)
    risk = preview_risk(stakes, talk, each)
    if worth <= 0 or not (risk <= stakes.budget or stakes.dares(worth, fault)):
        return False
    rewrites = stakes.rewrite * _TAIL_TOKENS
    later = stakes.kept_out(tokens - STUB_TOKENS, tokens, each.about, 1) - rewrites
    risk = stakes.at_risk(tokens, each.about, 1) + rewrites
    leaves = risk <= stakes.budget or stakes.dares(later, fault)
    return not leaves or worth > later


def _hot_until(talk: Conversation, about: str, number: int) -> int:
    """Return until when what is about this is pinned; 0 where it isn't."""
    if about:
        for each in talk.trail.hot:
            if each.about == about and each.until > number:
                return each.until
    return 0


def _whole(new: e.Arrived, number: int) -> e.PageAdmitted:
    return e.PageAdmitted(
        page=new.page,
        content=new.content,
        tokens=new.tokens,
        shape="whole",
        call=new.call,
        tool=new.tool,
        about=new.about,
        before=new.before,
        number=number,
        exempt=new.exempt,
        lines=new.lines,
    )


def _preview(new: e.Arrived, number: int) -> e.PageAdmitted:
    return replace(_whole(new, number), shape="preview", shown=new.preview)


def pins(state: State, body: e.PageFaulted) -> tuple[e.Body, ...]:
    """Return what follows from a fault, which ``state`` has taken in: what it is about stays, each time twice as long."""
    page = state.live.pages.get(body.page)
    if page is None or page.exempt:
        return ()
    talk, times = state.live.conversation, page.faults - 1
    if talk is not None and page.about:
        times = max(times, *(each.times for each in talk.trail.hot if each.about == page.about), 0)
    span = min(PIN_REQUESTS << min(max(times, 0), 8), PIN_REQUESTS_MAX)
    until = (body.number or page.number) + span
    return (e.PagePinned(page.page, until),) if until > page.pinned_until else ()
