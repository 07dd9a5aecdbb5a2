"""Foreign agents' conversations: what was asked, what came back, and how it has gone so far."""

from typing import Final

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection import workspace
from perdure.projection.pages import heated, lost, missed
from perdure.projection.state import Conversation, Page, State
from perdure.projection.trail import Trail
from perdure.values.limits import PIN_REQUESTS
from perdure.values.table import Table

OWN: Final = "own"
"""The API of a run of our own: what its model takes is counted where it replies."""

CALLS: Final = ("tool_use", "tool_calls", "function_call", "completed")
"""Ends of replies, in the providers' words, that may leave calls for the client to carry out."""

Pages = Table[str, Page]


def opened(state: State, body: e.ConversationOpened, event: Event) -> State:
    """A foreign agent's conversation begins, or begins anew."""
    talk = Conversation(
        client=body.client,
        api=body.api,
        model=body.model,
        session=body.session,
        credential=body.credential,
        mode=body.mode,
        recall=body.recall,
        room=body.room,
        kept=body.kept,
        tariff=body.tariff,
    )
    before = state.live.conversation
    if before is None or before.api == OWN:
        return replace(state, live=replace(state.live, conversation=talk))
    return _anew(state, before, talk)


def _anew(state: State, before: Conversation, talk: Conversation) -> State:
    """The same client begins anew: requests and money are counted on, and no page so far is in the window."""
    trail, pages = _left_out(before.trail, state.live.pages, tuple(state.live.pages))
    talk = replace(
        talk,
        requests=before.requests,
        evicted=before.evicted,
        faulted=before.faulted,
        again=before.again,
        lost_microusd=before.lost_microusd,
        saved_microusd=before.saved_microusd,
        alone_microusd=before.alone_microusd,
        breaks=before.breaks,
        trail=replace(_compacted(trail), before=0, older=0, idle=0, whole=0, fresh=(), used=()),
    )
    return replace(state, live=replace(state.live, conversation=talk, sent=Table(), pages=pages))


def forwarded(state: State, body: e.RequestForwarded, event: Event) -> State:
    """A request is under way: the conversation is as the client says now."""
    talk = state.live.conversation
    if talk is None:
        return state
    if state.live.client and body.purpose != "side":
        state = workspace.client_asks(state, body.number, event)
    sent = state.live.sent
    if body.kept < len(sent):
        sent = Table({place: sent[place] for place in range(body.kept)})
    for place, digest in enumerate(body.messages, body.kept):
        sent = sent.put(place, digest)
    if body.purpose == "side":
        return replace(state, live=replace(state.live, sent=sent))
    compacted = bool(body.broken) and not body.gone and body.tokens * 2 < talk.tokens
    trail = _next(talk, body, event.at)
    if compacted:
        trail = _compacted(trail)
    trail, pages = _left_out(trail, state.live.pages, tuple(state.live.pages) if compacted else body.gone)
    trail, pages, again = _missed(trail, pages, body)
    talk = replace(
        talk,
        session=body.session or talk.session,
        requests=max(talk.requests, body.number),
        asked_at=event.at,
        tokens=body.tokens,
        moved=body.moved if body.moved >= 0 else 0 if compacted else talk.moved,
        again=talk.again + again,
        breaks=talk.breaks + bool(body.broken),
        trail=trail,
    )
    return replace(state, live=replace(state.live, conversation=talk, sent=sent, pages=pages))


def answered(state: State, body: e.RequestAnswered, event: Event) -> State:
    """What it took and cost is known; a client whose model calls no tool has nothing to do."""
    if state.live.client and body.stop and body.stop not in CALLS:
        state = workspace.client_rests(state, event.at)
    talk = state.live.conversation
    if talk is not None and talk.api == OWN:
        return _counted(state, talk, body)
    world = replace(
        state.world,
        tokens=state.world.tokens + body.usage.input_tokens + body.usage.output_tokens,
        cost_microusd=state.world.cost_microusd + body.usage.cost_microusd,
        turns=state.world.turns + 1,
    )
    state = replace(state, world=world)
    return state if talk is None else _counted(state, talk, body)


def _counted(state: State, talk: Conversation, body: e.RequestAnswered) -> State:
    alone = body.alone_microusd or body.usage.cost_microusd
    talk = replace(
        talk,
        window=body.told.input_tokens,
        cached=body.told.cache_read_tokens,
        uncached=0 if body.usage.cache_read_tokens or body.told.cache_read_tokens else talk.uncached + 1,
        saved_microusd=talk.saved_microusd + alone - body.usage.cost_microusd,
        alone_microusd=talk.alone_microusd + alone,
        trail=_seen(talk, body),
    )
    return replace(state, live=replace(state.live, conversation=talk))


def hidden(state: State, body: e.RecallHidden, event: Event) -> State:
    """From here on the message is split whenever it comes."""
    live = replace(state.live, hidden=state.live.hidden.put(body.merged, body.split))
    if body.joined is not None:
        live = replace(live, joined=live.joined.put(body.merged, body.joined))
    return replace(state, live=live)


def paging_set(state: State, body: e.PagingSet, event: Event) -> State:
    """The mode is another, or paging is frozen, or the model costs another price."""
    talk = state.live.conversation
    if talk is None:
        return state
    talk = replace(
        talk,
        mode=body.mode,
        frozen=body.frozen,
        model=body.model or talk.model,
        tariff=body.tariff if body.tariff is not None else talk.tariff,
        room=talk.room if body.room < 0 else body.room,
    )
    return replace(state, live=replace(state.live, conversation=talk))


def whole_window(talk: Conversation, told: int) -> int:
    """Return what the provider would have counted in the newest request, which it counted as ``told``, unmoved.

    Estimates are put right by what was counted: only their proportion matters (``density``).
    """
    kept_out = talk.moved - talk.trail.recalled
    counted, estimate = density(told, talk.tokens - kept_out)
    return told if estimate <= 0 else told + counted * kept_out // estimate


def density(told: int, estimate: int) -> tuple[int, int]:
    """Return what to count of so many estimated tokens of a page: what the provider does, or less.

    What no estimate holds (the wrapping of calls, ids, signatures) stays in the window when text leaves. So where more
    is counted than was estimated, that says nothing of the text, and the estimate stands.
    """
    return min(told, estimate), estimate


def _next(talk: Conversation, body: e.RequestForwarded, at: int) -> Trail:
    """What the model has been seen to read once may leave with this request; the rest is read with it."""
    trail = talk.trail
    read = trail.answered >= talk.requests
    return replace(
        trail,
        older=trail.before,
        before=talk.tokens,
        idle=max(0, at - talk.asked_at) if talk.requests else 0,
        broken=bool(body.broken),
        entered=0,
        rewritten=False,
        recalled=body.recalled if body.recalled >= 0 else trail.recalled,
        asked=0,
        returned=0 if body.broken else trail.asked,
        fresh=() if read else trail.fresh,
        used=trail.fresh if read else (),
    )


def _left_out(trail: Trail, pages: Pages, names: tuple[str, ...]) -> tuple[Trail, Pages]:
    for name in names:
        page = pages.get(name)
        if page is not None:
            trail, page = lost(trail, page)
            pages = pages.put(name, page)
    return trail, pages


def _missed(trail: Trail, pages: Pages, body: e.RequestForwarded) -> tuple[Trail, Pages, int]:
    """Pages that had left and that the reply before needed; their newer versions stay for a while."""
    count = 0
    for name in body.again:
        page = pages.get(name)
        if page is None or page.shape == "whole":
            continue
        count += int(not page.needed)
        trail, page = missed(trail, page, max(1, body.number - 1))
        pages = pages.put(name, page)
        if page.about:
            trail = heated(trail, page.about, body.number + PIN_REQUESTS)
    return trail, pages, count


def _compacted(trail: Trail) -> Trail:
    """The client left most of the conversation out: what was recalled is no longer in the window."""
    return replace(trail, recalled=0, asked=0, returned=0, collapsed=0)


def _seen(talk: Conversation, body: e.RequestAnswered) -> Trail:
    """What the cache held of the window before, and what it should have held."""
    trail, told = talk.trail, body.told
    held = told.cache_read_tokens * 2 > talk.window > 0
    expected = (
        trail.warmed
        and not trail.rewritten
        and not trail.broken
        and body.calls <= 1
        and 0 < trail.idle <= talk.tariff.ttl
        and talk.window >= max(1, talk.tariff.minimum)
    )
    collapsed = expected and told.cache_read_tokens * 10 < talk.window
    return replace(
        trail,
        whole=whole_window(talk, told.input_tokens),
        answered=max(trail.answered, body.number),
        warmed=trail.warmed or held,
        collapsed=trail.collapsed + 1 if collapsed else 0 if held else trail.collapsed,
        longest=max(trail.longest, trail.idle) if held and body.calls <= 1 else trail.longest,
    )
