"""Pages of context: their part of the fold.

Invariants:
- What stands in a page's place changes only when the page leaves; a second leave changes nothing.
- ``Trail`` counts a page that is out exactly once, from when it leaves until it is needed.
"""

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.ages import doublings, needed_prior
from perdure.projection.state import Conversation, Page, Shape, State
from perdure.projection.trail import Hot, Previewed, Trail
from perdure.values.limits import HOT_MAX, PAGE_MOVES_MAX, TRIED_MAX

_SHAPES: dict[str, Shape] = {"whole": "whole", "preview": "preview"}


def admitted(state: State, body: e.PageAdmitted, event: Event) -> State:
    """The page is in the window, whole or as a preview."""
    shape = _SHAPES.get(body.shape, "whole")
    preview = shape == "preview"
    page = Page(
        page=body.page,
        content=body.content,
        tokens=body.tokens,
        admitted=event.position,
        moves=((event.position, body.shape),),
        shape=shape,
        shown=body.shown,
        shown_tokens=_tokens(body.shown, body.content, body.tokens) if preview else body.tokens,
        call=body.call,
        tool=body.tool,
        about=body.about,
        before=body.before,
        number=body.number,
        exempt=body.exempt,
        lines=body.lines,
        left=body.number if preview else 0,
    )
    talk = state.live.conversation
    if talk is not None:
        talk = _previewed(talk, page) if preview else _entered(talk, page)
    return _put(state, page, talk)


def evicted(state: State, body: e.PageEvicted, event: Event) -> State:
    """Its handle stands in its place."""
    page = state.live.pages.get(body.page)
    if page is None or page.shape == "evicted":
        return state
    talk = state.live.conversation
    was, number = page, page.left or (talk.requests if talk is not None else page.number)
    page = replace(
        _moved(page, event.position, "evicted"),
        shape="evicted",
        shown=body.shown,
        shown_tokens=body.tokens,
        left=number,
    )
    if talk is not None:
        first = was.shape == "whole"
        talk = replace(
            talk, moved=talk.moved + was.shown_tokens - body.tokens, evicted=talk.evicted + int(first)
        )
        trail = replace(talk.trail, rewritten=True)
        if first and not was.gone:
            trail = replace(_gone(trail, page, number), resident=max(0, trail.resident - 1))
        talk = replace(talk, trail=trail)
    return _put(state, page, talk)


def faulted(state: State, body: e.PageFaulted, event: Event) -> State:
    """It was asked for, and given; where it stood, nothing changes."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    talk = state.live.conversation
    if talk is not None:
        tokens = body.tokens or page.tokens
        tariff = talk.tariff
        lost = (tariff.read * (talk.tokens - talk.moved) + tariff.write * tokens) // 1_000_000
        talk = replace(
            talk,
            faulted=talk.faulted + int(page.faults == 0),
            lost_microusd=talk.lost_microusd + max(0, lost),
            trail=replace(talk.trail, recalled=talk.trail.recalled + tokens, asked=talk.trail.asked + tokens),
        )
    number = body.number or (talk.requests if talk is not None else page.number)
    page = replace(_moved(page, event.position, "faulted"), faults=page.faults + 1)
    if talk is None:
        return _put(state, page, None)
    trail, page = missed(talk.trail, page, number)
    return _put(state, page, replace(talk, trail=trail))


def pinned(state: State, body: e.PagePinned, event: Event) -> State:
    """It stays until that request, and so do later versions of what it is about."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    page = replace(_moved(page, event.position, "pinned"), pinned_until=body.until)
    talk = state.live.conversation
    if talk is not None and page.about:
        talk = replace(talk, trail=heated(talk.trail, page.about, body.until))
    return _put(state, page, talk)


def unpinned(state: State, body: e.PageUnpinned, event: Event) -> State:
    """It may leave again."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    page = replace(_moved(page, event.position, "unpinned"), pinned_until=0)
    talk = state.live.conversation
    if talk is not None:
        hot = tuple(each for each in talk.trail.hot if each.about != page.about)
        talk = replace(talk, trail=replace(talk.trail, hot=hot))
    return _put(state, page, talk)


def missed(trail: Trail, page: Page, number: int) -> tuple[Trail, Page]:
    """Count that the reply to request ``number`` needed ``page``; only the first time after it left counts."""
    if page.shape == "whole" or page.needed or page.gone:
        return trail, page
    trail = _back(trail, page)
    if number <= page.number:
        tried = _tried(trail.tried, page.tool, needed=1)
        return replace(trail, tried=tried), replace(page, needed=max(1, number))
    endured = doublings(number - page.number + 1) - doublings(page.left - page.number)
    endured *= needed_prior(page.about)
    trail = replace(trail, needed=trail.needed + 1, endured=trail.endured + max(0, endured))
    return trail, replace(page, needed=number)


def lost(trail: Trail, page: Page) -> tuple[Trail, Page]:
    """The client left ``page`` out: it is no longer in the window, nor at risk."""
    if page.gone:
        return trail, page
    if page.shape != "whole":
        trail = trail if page.needed else _back(trail, page)
    elif page.call and not page.exempt:
        trail = replace(
            trail,
            resident=max(0, trail.resident - 1),
            fresh=tuple(name for name in trail.fresh if name != page.page),
            used=tuple(name for name in trail.used if name != page.page),
        )
    return trail, replace(page, gone=True)


def heated(trail: Trail, about: str, until: int) -> Trail:
    """What is about ``about`` stays until then; what is over is forgotten."""
    was = next((each for each in trail.hot if each.about == about), None)
    if was is not None and until <= was.until:
        return trail
    times = was.times + 1 if was is not None else 1
    hot = tuple(each for each in trail.hot if each.about != about)
    return replace(trail, hot=(*hot, Hot(about, until, times))[-HOT_MAX:])


def _previewed(talk: Conversation, page: Page) -> Conversation:
    kept_out = page.tokens - page.shown_tokens
    trail = talk.trail
    trail = replace(
        _gone(trail, page, page.number),
        entered=trail.entered + kept_out,
        tried=_tried(trail.tried, page.tool, previews=1),
    )
    return replace(talk, moved=talk.moved + kept_out, evicted=talk.evicted + 1, trail=trail)


def _entered(talk: Conversation, page: Page) -> Conversation:
    if page.exempt or not page.call:
        return talk
    trail = talk.trail
    return replace(talk, trail=replace(trail, fresh=(*trail.fresh, page.page), resident=trail.resident + 1))


def _gone(trail: Trail, page: Page, number: int) -> Trail:
    weight = needed_prior(page.about)
    return replace(
        trail,
        out=trail.out + 1,
        out_tokens=trail.out_tokens + page.tokens,
        out_weight=trail.out_weight + weight,
        out_numbers=trail.out_numbers + weight * page.number,
        out_doublings=trail.out_doublings + weight * doublings(number - page.number),
    )


def _back(trail: Trail, page: Page) -> Trail:
    weight = needed_prior(page.about)
    return replace(
        trail,
        out=max(0, trail.out - 1),
        out_tokens=max(0, trail.out_tokens - page.tokens),
        out_weight=max(0, trail.out_weight - weight),
        out_numbers=max(0, trail.out_numbers - weight * page.number),
        out_doublings=max(0, trail.out_doublings - weight * doublings(page.left - page.number)),
    )


def _tried(
    tried: tuple[Previewed, ...], tool: str, *, previews: int = 0, needed: int = 0
) -> tuple[Previewed, ...]:
    was = next((each for each in tried if each.tool == tool), Previewed(tool))
    now = Previewed(tool, was.previews + previews, was.needed + needed)
    if was in tried:
        return tuple(now if each is was else each for each in tried)
    return (*tried, now)[-TRIED_MAX:]


def _tokens(shown: e.Content | None, whole: e.Content, tokens: int) -> int:
    """Return about how many tokens ``shown`` takes, as dense as the whole is."""
    return tokens if shown is None or not whole.size else -(-shown.size * tokens // whole.size)


def _put(state: State, page: Page, talk: Conversation | None) -> State:
    live = replace(state.live, pages=state.live.pages.put(page.page, page), conversation=talk)
    return replace(state, live=live)


def _moved(page: Page, position: int, move: str) -> Page:
    return replace(page, moves=(*page.moves, (position, move))[-PAGE_MOVES_MAX:])
